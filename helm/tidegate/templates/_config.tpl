{{/*
The configuration of each role, as TOML. Texts go through toJson, whose escapes TOML shares; whole numbers through
int64, because Helm reads every number of a values file as a float and would write 1e+06.
*/}}

{{/* What every role that serves calls has. */}}
{{- define "tidegate.config.common" -}}
[deployment]
name = {{ toJson .Values.deployment.name }}

{{ include "tidegate.config.watching" . }}
{{- with .Values.traces.otlpEndpoint }}

[traces]
otlp_endpoint = {{ toJson . }}
sample_percent = {{ int64 $.Values.traces.samplePercent }}
{{- end }}

[shutdown]
delay_ms = {{ mul (int64 .Values.shutdown.delaySeconds) 1000 }}
grace_ms = {{ mul (int64 .Values.shutdown.graceSeconds) 1000 }}
{{- range $name, $account := .Values.accounts }}

[accounts.{{ $name }}]
{{- with $account.tier }}
{{- if kindIs "string" . }}
tier = {{ toJson . }}
{{- else }}
tier = { max = {{ int64 .max }}, decay_per_s = {{ toJson .decayPerSecond }} }
{{- end }}
{{- end }}
{{- with $account.tradingTier }}
trading_tier = {{ toJson . }}
{{- end }}
{{- with $account.domain }}
domain = {{ toJson . }}
{{- end }}
{{- with $account.iban }}
iban = {{ toJson . }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Metrics, health and logs. Probes come from the kubelet and scrapes from Prometheus, so loopback will not do. */}}
{{- define "tidegate.config.watching" -}}
[admin]
listen = "0.0.0.0:9464"
allow_unauthenticated_off_loopback = true

[log]
format = "json"
filter = {{ toJson .Values.log.filter }}
{{- end -}}

{{- define "tidegate.config.gateway" -}}
{{ include "tidegate.config.common" . }}

[gateway]
{{- if .Values.allowUnauthenticated }}
listen = "0.0.0.0:50051"
allow_unauthenticated_off_loopback = true
{{- else }}
listen = "127.0.0.1:50051"
{{- end }}
{{- if .Values.accounts }}
default_account = {{ toJson .Values.gateway.defaultAccount }}
{{- end }}
allow_cancel_all = {{ .Values.gateway.allowCancelAll }}
allow_decide_intents = {{ .Values.gateway.allowDecideIntents }}
quota_per_s = {{ int64 .Values.gateway.quotaPerSecond }}
{{- with .Values.gateway.quotaBurst }}
quota_burst = {{ int64 . }}
{{- end }}
max_in_flight = {{ int64 .Values.gateway.maxInFlight }}
{{- if .Values.executors }}

[gateway.executors]
{{- range $pool, $_ := .Values.executors }}
{{ $pool }} = "{{ include "tidegate.fullname" $ }}-executor-{{ $pool }}:50052"
{{- end }}
{{- end }}
{{- end -}}

{{/* Takes root, pool and spec. The keys are those of the pool, and for a pool that places orders those of other pools that find
     out what became of them, without their secrets: an account without such a key is refused. */}}
{{- define "tidegate.config.executor" -}}
{{- $values := .root.Values -}}
{{- $account := $values.gateway.defaultAccount -}}
{{ include "tidegate.config.common" .root }}

# The account of calls that name none: an executor is not asked, but a configuration must be whole.
[gateway]
default_account = {{ toJson $account }}

[executor]
listen = "0.0.0.0:50052"
# Gateways alone reach this port: a NetworkPolicy fences it.
allow_unauthenticated_off_loopback = true
pool = {{ toJson .pool }}
{{- if include "tidegate.hasBreakGlass" .spec }}
# One replica, stopped before its successor starts: this name is never borne by two.
name = {{ toJson .pool }}
{{- end }}
queue_len_max = {{ int64 .spec.queueLenMax }}
allow_edit_order = {{ .spec.allowEditOrder }}
allow_transfers = {{ .spec.allowTransfers }}

[store]
{{- if or $values.redis.sentinels $values.redis.cluster }}
{{- with $values.redis.sentinelMaster }}
sentinel_master = {{ toJson . }}
{{- end }}
{{- with $values.redis.user }}
user = {{ toJson . }}
{{- end }}
{{- if $values.redis.existingSecret }}
password_file = "/run/secrets/tidegate-redis/url"
{{- end }}
{{- if $values.redis.existingSecretSentinelKey }}
sentinel_password_file = "/run/secrets/tidegate-redis/sentinel"
{{- end }}
tls = {{ $values.redis.tls }}
{{- else if $values.redis.existingSecret }}
redis_url_file = "/run/secrets/tidegate-redis/url"
{{- else }}
redis_url = {{ include "tidegate.redisUrl" .root | toJson }}
{{- end }}
{{- if $values.redis.existingSecretCaKey }}
ca_file = "/run/secrets/tidegate-redis/ca.pem"
{{- end }}
prefix = {{ toJson $values.redis.prefix }}
{{- if $values.redis.builtin.enabled }}
# The built-in Redis keeps nothing on a disk.
profile = "trial"
{{- else }}
profile = {{ toJson $values.redis.profile }}
{{- end }}
{{- if not (kindIs "invalid" $values.redis.waitReplicas) }}
wait_replicas = {{ int64 $values.redis.waitReplicas }}
{{- end }}
{{- range $way := list "sentinels" "cluster" }}
{{- with get $values.redis $way }}

[store.{{ $way }}]
{{- range $label, $address := . }}
{{ $label }} = {{ toJson $address }}
{{- end }}
{{- end }}
{{- end }}

[kraken]
{{- if $values.sandbox.enabled }}
rest_url = "http://{{ include "tidegate.fullname" .root }}-sandbox:8480"
{{- else if $values.kraken.restUrl }}
rest_url = {{ toJson $values.kraken.restUrl }}
{{- end }}
egress = {{ toJson $values.kraken.egress }}
auth_failures_max = {{ int64 $values.kraken.authFailuresMax }}
{{- range $label, $key := .spec.keys }}

[keys.{{ $label }}]
account = {{ toJson $key.account }}
pool = {{ toJson $.pool }}
{{- if $values.sandbox.enabled }}
sandbox = true
{{- else }}
file = "/run/secrets/tidegate/{{ $label }}"
{{- if $key.otp }}
otp_file = "/run/secrets/tidegate/{{ $label }}-otp"
{{- end }}
{{- if $key.totp }}
totp_file = "/run/secrets/tidegate/{{ $label }}-totp"
{{- end }}
{{- end }}
permissions = {{ toJson $key.permissions }}
{{- with $key.nonceUnit }}
nonce_unit = {{ toJson . }}
{{- end }}
window = {{ int64 ($key.window | default 0) }}
{{- with $key.tags }}
tags = {{ toJson . }}
{{- end }}
{{- if $key.allowPlacingWithWindow }}
allow_placing_with_window = true
{{- end }}
{{- if $key.breakGlass }}
break_glass = {{ toJson $.pool }}
{{- end }}
{{- end }}
{{- $places := dict -}}
{{- range $_, $key := .spec.keys }}
{{- if has "modify-trades" $key.permissions }}{{ $_ := set $places $key.account true }}{{ end }}
{{- end }}
{{- range $pool, $spec := $values.executors }}
{{- range $label, $key := $spec.keys }}
{{- $looks := and (has "query-open-trades" $key.permissions) (has "query-closed-trades" $key.permissions) }}
{{- if and (ne $pool $.pool) $looks (hasKey $places $key.account) }}

# Of another pool, and not mounted here: it finds out what became of orders.
[keys.{{ $label }}]
account = {{ toJson $key.account }}
pool = {{ toJson $pool }}
{{ if $values.sandbox.enabled }}sandbox = true{{ else }}file = "/run/secrets/tidegate/{{ $label }}"{{ end }}
permissions = {{ toJson $key.permissions }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Takes the spec of a pool: whether it has a key for emergencies. Empty: no. */}}
{{- define "tidegate.hasBreakGlass" -}}
{{- range $_, $key := .keys }}{{ if $key.breakGlass }}yes{{ end }}{{ end -}}
{{- end -}}

{{- define "tidegate.config.sandbox" -}}
{{ include "tidegate.config.watching" . }}

[sandbox]
listen = "0.0.0.0:8480"
# Its keys are public, and a NetworkPolicy admits executors alone.
allow_unauthenticated_off_loopback = true
tier = {{ toJson .Values.sandbox.tier }}
{{- end -}}
