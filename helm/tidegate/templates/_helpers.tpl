{{/* Names, labels and images. */}}

{{/* 33 characters at most: "-executor-" and a pool's 20 make 63, the longest name that a Service may have. */}}
{{- define "tidegate.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else -}}
{{- $name := .Values.nameOverride | default .Chart.Name -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- $full | trunc 33 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What a Service, a Deployment or a policy selects by. Takes root, component and, for executors, pool. */}}
{{- define "tidegate.selector" -}}
app.kubernetes.io/name: {{ .root.Values.nameOverride | default .root.Chart.Name }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- with .pool }}
tidegate/pool: {{ . | quote }}
{{- end }}
{{- end -}}

{{/* All labels of an object that belongs to a role. */}}
{{- define "tidegate.labels" -}}
{{ include "tidegate.selector" . }}
{{ include "tidegate.release" .root }}
{{- end -}}

{{/* Labels that come and go with the release and are never selected by. */}}
{{- define "tidegate.release" -}}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | trimAll "-_." | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: tidegate
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* The labels of an object that belongs to no role. */}}
{{- define "tidegate.commonLabels" -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{ include "tidegate.release" . }}
{{- end -}}

{{/* An image by digest if there is one, else by tag. Takes image and the default tag. */}}
{{- define "tidegate.image" -}}
{{- if .image.digest -}}
{{ .image.repository }}@{{ .image.digest }}
{{- else -}}
{{ .image.repository }}:{{ .image.tag | default .tag }}
{{- end -}}
{{- end -}}

{{/* A pool's settings: its own, and the defaults for what it does not say. Takes root and pool. JSON, to be read back. */}}
{{- define "tidegate.pool" -}}
{{- $spec := deepCopy (index .root.Values.executors .pool) -}}
{{- range $key, $value := .root.Values.executorDefaults -}}
{{- if not (hasKey $spec $key) -}}
{{- $_ := set $spec $key $value -}}
{{- end -}}
{{- end -}}
{{- toJson $spec -}}
{{- end -}}

{{/* Where the executors find Redis, as far as the values say it in the open. */}}
{{- define "tidegate.redisUrl" -}}
{{- if .Values.redis.builtin.enabled -}}
redis://{{ include "tidegate.fullname" . }}-redis:6379/0
{{- else -}}
{{ .Values.redis.url }}
{{- end -}}
{{- end -}}

{{/* The port in a URL, or a default. Takes url and default. */}}
{{- define "tidegate.port" -}}
{{- $place := regexReplaceAll "^[a-z]+://([^/]*).*$" .url "${1}" -}}
{{- regexFind ":[0-9]+$" $place | trimPrefix ":" | default (toString .default) -}}
{{- end -}}

{{/* From the signal to the kill: the delay, the grace, and time to write the last words. */}}
{{- define "tidegate.terminationGrace" -}}
{{- add .Values.shutdown.delaySeconds .Values.shutdown.graceSeconds 10 -}}
{{- end -}}
