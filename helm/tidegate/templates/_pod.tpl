{{/* Parts of pods that all roles share. */}}

{{/* Takes the id of user and group. */}}
{{- define "tidegate.podSecurity" -}}
# Nothing here speaks to Kubernetes, so nothing here gets a token for it, nor variables about its Services.
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  runAsNonRoot: true
  runAsUser: {{ . }}
  runAsGroup: {{ . }}
  # Files of Secrets belong to this group, and only it can read them.
  fsGroup: {{ . }}
  seccompProfile:
    type: RuntimeDefault
{{- end -}}

{{- define "tidegate.containerSecurity" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  capabilities:
    drop: ["ALL"]
{{- end -}}

{{/* Alive means that the process answers; ready means that it can serve calls. A role that waits for Redis, Kraken or
     other roles is alive: a restart would not help it. */}}
{{- define "tidegate.probes" -}}
startupProbe:
  httpGet: {path: /livez, port: http}
  periodSeconds: 1
  timeoutSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /livez, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 1
{{- end -}}

{{/* Where pods may run. Takes spec (a role's settings) and selector (its labels). */}}
{{- define "tidegate.scheduling" -}}
{{- with .spec.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .spec.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .spec.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .spec.topologySpreadConstraints }}
topologySpreadConstraints:
  {{- range . }}
  - {{- toYaml . | nindent 4 }}
    labelSelector:
      matchLabels:
        {{- $.selector | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Labels and annotations of a pod. Takes selector, config (the text whose change must restart the pod) and spec. What
     the chart says wins over what the values add. The chart's version is not among the labels: it would restart every pod. */}}
{{- define "tidegate.podMetadata" -}}
{{- $ours := dict "checksum/config" (sha256sum .config) "kubectl.kubernetes.io/default-container" "tidegate" -}}
labels:
  {{- merge (fromYaml .selector) (.spec.podLabels | default dict) | toYaml | nindent 2 }}
annotations:
  {{- merge $ours (.spec.podAnnotations | default dict) | toYaml | nindent 2 }}
{{- end -}}

{{- define "tidegate.pullSecrets" -}}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{/* A new pod is up before an old one goes. */}}
{{- define "tidegate.rolling" -}}
strategy:
  type: RollingUpdate
  rollingUpdate:
    maxUnavailable: 0
    maxSurge: 1
{{- end -}}
