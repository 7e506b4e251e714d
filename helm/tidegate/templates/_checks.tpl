{{/*
Rules between values, which a schema cannot say. Everything that a process would refuse at its start is refused here,
before anything is installed, and all mistakes at once. One line for each mistake, beginning with the value.
*/}}

{{- define "tidegate.mistakes" -}}
{{ include "tidegate.mistakes.doors" . }}
{{ include "tidegate.mistakes.redis" . }}
{{ include "tidegate.mistakes.kraken" . }}
{{ include "tidegate.mistakes.keys" . }}
{{- end -}}

{{- define "tidegate.mistakes.doors" -}}
{{- if and (not .Values.networkPolicy.enabled) (not .Values.allowUnauthenticated) }}
networkPolicy.enabled: false leaves the executors, which ask nobody who they are, open to the whole cluster; must be true, or set allowUnauthenticated to true to say that this is meant
{{- end }}
{{- if and (eq .Values.gateway.service.type "Headless") (ne (int64 .Values.gateway.service.port) 50051) }}
gateway.service.port: {{ int64 .Values.gateway.service.port }} cannot be translated by a headless service; must be 50051
{{- end }}
{{- end -}}

{{- define "tidegate.mistakes.redis" -}}
{{- $ways := list -}}
{{- if .Values.redis.url }}{{ $ways = append $ways "redis.url" }}{{ end -}}
{{- $named := or .Values.redis.sentinels .Values.redis.cluster -}}
{{- if and .Values.redis.existingSecret (not $named) }}{{ $ways = append $ways "redis.existingSecret" }}{{ end -}}
{{- if .Values.redis.sentinels }}{{ $ways = append $ways "redis.sentinels" }}{{ end -}}
{{- if .Values.redis.cluster }}{{ $ways = append $ways "redis.cluster" }}{{ end -}}
{{- if .Values.redis.builtin.enabled }}{{ $ways = append $ways "redis.builtin.enabled" }}{{ end -}}
{{- if and .Values.executors (not $ways) }}
redis: executors share their keys through Redis, and there is none; set redis.url (an address without password), redis.existingSecret (a Secret with the URL), redis.sentinels, redis.cluster or redis.builtin.enabled (one for trials)
{{- end }}
{{- if gt (len $ways) 1 }}
redis: {{ join " and " $ways }} are all given; keep one of them
{{- end }}
{{- if and .Values.redis.sentinels (not .Values.redis.sentinelMaster) }}
redis.sentinelMaster: is missing; it is the name under which the sentinels know the primary
{{- end }}
{{- if and (not .Values.redis.sentinels) (or .Values.redis.sentinelMaster .Values.redis.existingSecretSentinelKey) }}
redis.sentinelMaster: and redis.existingSecretSentinelKey are for redis.sentinels, and there are none
{{- end }}
{{- if and (not $named) (or .Values.redis.user .Values.redis.tls) }}
redis.user: and redis.tls are for redis.sentinels and redis.cluster; a URL says both itself
{{- end }}
{{- if and .Values.redis.user (not .Values.redis.existingSecret) }}
redis.user: {{ .Values.redis.user }} needs a password; set redis.existingSecret
{{- end }}
{{- if and (not .Values.redis.existingSecret) (or .Values.redis.existingSecretCaKey .Values.redis.existingSecretSentinelKey) }}
redis.existingSecret: is missing; entries of it are named
{{- end }}
{{- if and $named .Values.redis.existingSecretCaKey (not .Values.redis.tls) }}
redis.existingSecretCaKey: is for TLS; set redis.tls to true
{{- end }}
{{- end -}}

{{- define "tidegate.mistakes.kraken" -}}
{{- $url := .Values.kraken.restUrl -}}
{{- if and .Values.sandbox.enabled $url }}
kraken.restUrl: is given as well as sandbox.enabled; keep one of them
{{- end }}
{{- if regexMatch "(?i)^http://([^/:]*\\.)?kraken\\.com\\.?(:|/|$)" $url }}
kraken.restUrl: must be https:// for a host of Kraken's
{{- end }}
{{- end -}}

{{- define "tidegate.mistakes.keys" -}}
{{- $root := . -}}
{{- $names := keys .Values.accounts | sortAlpha | join ", " | default "none yet" -}}
{{- if and (or .Values.accounts .Values.executors) (not (hasKey .Values.accounts .Values.gateway.defaultAccount)) }}
gateway.defaultAccount: {{ .Values.gateway.defaultAccount }} must be one of accounts: {{ $names }}
{{- end }}
{{- $secrets := dict -}}
{{- $labels := dict -}}
{{- $placing := dict -}}
{{- $looking := dict -}}
{{- range $pool, $spec := .Values.executors }}
{{- $keys := $spec.keys | default dict -}}
{{- if not $root.Values.sandbox.enabled }}
{{- if and $keys (not $spec.existingSecret) }}
executors.{{ $pool }}.existingSecret: is missing; the keys {{ keys $keys | sortAlpha | join ", " }} must come from a Secret, one entry for each
{{- end }}
{{- with $spec.existingSecret }}
{{- if eq . $root.Values.redis.existingSecret }}
executors.{{ $pool }}.existingSecret: {{ . }} is the Secret of Redis, which every pool mounts; keys need one of their own
{{- end }}
{{- if hasKey $secrets . }}
executors.{{ $pool }}.existingSecret: {{ . }} is the Secret of pool {{ get $secrets . }}; each pool needs its own
{{- end }}
{{- $_ := set $secrets . $pool }}
{{- end }}
{{- end }}
{{- range $label, $key := $keys }}
{{- $at := printf "executors.%s.keys.%s" $pool $label }}
{{- if not (hasKey $root.Values.accounts $key.account) }}
{{ $at }}.account: {{ $key.account }} must be one of accounts: {{ $names }}
{{- end }}
{{- if and $key.window (has "modify-trades" $key.permissions) (not $key.allowPlacingWithWindow) }}
{{ $at }}.window: a window on a key that places orders weakens Kraken's guard against duplicates; must be 0, or set allowPlacingWithWindow to true
{{- end }}
{{- if $key.breakGlass }}
{{- if or (ne (join " " $key.permissions) "close-trades") $key.window }}
{{ $at }}.breakGlass: such a key may cancel and do nothing else; permissions must be [close-trades] and window 0
{{- end }}
{{- if ne (int64 (dig "replicas" $root.Values.executorDefaults.replicas $spec)) 1 }}
executors.{{ $pool }}.replicas: must be 1, because {{ $label }} is a break-glass key, which one process alone may use
{{- end }}
{{- end }}
{{- if has "modify-trades" $key.permissions }}
{{- $_ := set $placing $key.account $label }}
{{- end }}
{{- if and (has "query-open-trades" $key.permissions) (has "query-closed-trades" $key.permissions) }}
{{- $_ := set $looking $key.account $label }}
{{- end }}
{{- if hasKey $labels $label }}
{{ $at }}: this label is in pool {{ get $labels $label }}, too; a key belongs to one pool
{{- end }}
{{- $_ := set $labels $label $pool }}
{{- if and $key.otp (hasKey $keys (printf "%s-otp" $label)) }}
{{ $at }}.otp: its password would be in the entry {{ $label }}-otp, which is a key; rename one of them
{{- end }}
{{- if and $key.totp (hasKey $keys (printf "%s-totp" $label)) }}
{{ $at }}.totp: its seed would be in the entry {{ $label }}-totp, which is a key; rename one of them
{{- end }}
{{- if and $key.otp $key.totp }}
{{ $at }}.totp: a key has a password (otp) or an authenticator app (totp), not both
{{- end }}
{{- if and $root.Values.sandbox.enabled (not (has $label (include "tidegate.sandboxKeys" $root | splitList " "))) }}
{{ $at }}: the sandbox has no such key; it has {{ include "tidegate.sandboxKeys" $root | replace " " ", " }}
{{- end }}
{{- end }}
{{- end }}
{{- range $account, $label := $placing }}
{{- if not (hasKey $looking $account) }}
accounts.{{ $account }}: {{ $label }} places orders, and no key of the account can find out what became of them; it needs one with query-open-trades and query-closed-trades, in any pool
{{- end }}
{{- end }}
{{- end -}}

{{/* The labels of the sandbox's built-in keys. */}}
{{- define "tidegate.sandboxKeys" -}}
sandbox-read sandbox-read-2 sandbox-trade sandbox-trade-2 sandbox-cancel sandbox-ledger sandbox-fund sandbox-stream sandbox-window sandbox-trade-window sandbox-ms sandbox-ns sandbox-otp sandbox-expired sandbox-elsewhere sandbox-dated sandbox-none sandbox-all sandbox-all-2 sandbox-all-3 sandbox-all-4 sandbox-second-trade sandbox-second-read
{{- end -}}
