//! Three masters without replicas that share the slots of one cluster.

use std::path::Path;

use super::server::RedisServer;
use super::until;

/// How many slots a cluster has.
const SLOTS: usize = 16_384;
const MASTERS: usize = 3;

/// A running cluster.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// Starts it and waits until every node says that all slots are served. A node that is lost is noticed after a
    /// second; then the others refuse everything, as Redis does unless it is told otherwise.
    pub async fn start(dir: &Path) -> anyhow::Result<Self> {
        let lines = ["cluster-enabled yes", "cluster-config-file nodes.conf", "cluster-node-timeout 1000"];
        let mut nodes = Vec::new();
        for _ in 0..MASTERS {
            nodes.push(RedisServer::start_with(dir, &lines).await?);
        }
        for (at, node) in nodes.iter().enumerate() {
            let (first, behind) = (at * SLOTS / MASTERS, (at + 1) * SLOTS / MASTERS);
            // Without an epoch of its own each node would first have to settle whose word counts.
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &(at + 1).to_string()]).await?;
            let (first, last) = (first.to_string(), (behind - 1).to_string());
            node.command(&["CLUSTER", "ADDSLOTSRANGE", &first, &last]).await?;
        }
        for node in &nodes[1..] {
            nodes[0].command(&["CLUSTER", "MEET", "127.0.0.1", &node.port().to_string()]).await?;
        }
        let cluster = Self { nodes };
        cluster.wait_ok().await?;
        Ok(cluster)
    }

    /// Waits until every node says that all slots are served.
    pub async fn wait_ok(&self) -> anyhow::Result<()> {
        for node in &self.nodes {
            until("the cluster to be whole", async || {
                let said = node.command(&["CLUSTER", "INFO"]).await?;
                let says = |line: String| said.lines().any(|said| said.trim_end() == line);
                Ok(says("cluster_state:ok".to_owned())
                    && says(format!("cluster_slots_ok:{SLOTS}"))
                    && says(format!("cluster_size:{MASTERS}"))
                    && says(format!("cluster_known_nodes:{MASTERS}")))
            })
            .await?;
        }
        Ok(())
    }

    /// The nodes, in the order of their slots.
    pub fn nodes(&self) -> &[RedisServer] {
        &self.nodes
    }

    /// The same, to freeze, kill or restart them.
    pub fn nodes_mut(&mut self) -> &mut [RedisServer] {
        &mut self.nodes
    }

    /// The nodes' addresses.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }
}
