//! One request to a server: a script with its keys and values, or plain commands, in one pipeline.

use redis::{Pipeline, Script};

/// A script, known to servers by its hash.
pub(super) struct Lua {
    text: &'static str,
    hash: String,
}

impl Lua {
    pub(super) fn new(text: &'static str) -> Self {
        Self { text, hash: Script::new(text).get_hash().to_owned() }
    }

    /// Its text is sent only to a server that does not know the script, so that a request is short.
    pub(super) fn call<A: Into<Value>>(&self, keys: Vec<String>, args: Vec<A>) -> Call<'_> {
        let args = args.into_iter().map(Into::into).collect();
        Call { script: Some((self, keys, args)), more: Pipeline::new() }
    }
}

/// A value as it is sent: outcomes are no text.
type Value = Vec<u8>;

/// What is sent in one piece.
pub(super) struct Call<'a> {
    script: Option<(&'a Lua, Vec<String>, Vec<Value>)>,
    more: Pipeline,
}

impl Call<'_> {
    /// Without a script.
    pub(super) fn of(commands: Pipeline) -> Self {
        Self { script: None, more: commands }
    }

    /// Waits until so many replicas have what the script wrote, or time is up.
    pub(super) fn wait(mut self, replicas: u32, limit_ms: u64) -> Self {
        self.more.cmd("WAIT").arg(replicas).arg(limit_ms);
        self
    }

    /// The commands. `whole` sends the script's text: a server runs it and keeps it, in one step, so that nobody who
    /// empties its cache can come in between.
    pub(super) fn commands(&self, whole: bool) -> Pipeline {
        let Some((lua, keys, args)) = &self.script else { return self.more.clone() };
        let mut pipe = Pipeline::new();
        if whole {
            pipe.cmd("EVAL").arg(lua.text);
        } else {
            pipe.cmd("EVALSHA").arg(&lua.hash);
        }
        pipe.arg(keys.len()).arg(keys).arg(args);
        for command in self.more.cmd_iter() {
            pipe.add_command(command.clone());
        }
        pipe
    }

    pub(super) const fn has_script(&self) -> bool {
        self.script.is_some()
    }
}
