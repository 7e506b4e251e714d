{{/* Rules of NetworkPolicies that several roles share. Each is one element of a list. */}}

{{/* Ingress: whoever reads metrics. The kubelet's probes come from the pod's own node and need no rule. */}}
{{- define "tidegate.ingress.metrics" -}}
{{- with .Values.networkPolicy.metricsFrom }}
- from:
    {{- toYaml . | nindent 4 }}
  ports:
    - {port: 9464, protocol: TCP}
{{- end }}
{{- end -}}

{{/* Egress: name servers. */}}
{{- define "tidegate.egress.dns" -}}
- ports:
    - {port: 53, protocol: UDP}
    - {port: 53, protocol: TCP}
  {{- with .Values.networkPolicy.dns }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}

{{/* Egress: the collector of spans, wherever it is. */}}
{{- define "tidegate.egress.traces" -}}
{{- with .Values.traces.otlpEndpoint }}
- ports:
    - {port: {{ include "tidegate.port" (dict "url" . "default" 4317) }}, protocol: TCP}
{{- end }}
{{- end -}}

{{/* Egress of executors: Redis. */}}
{{- define "tidegate.egress.redis" -}}
{{- $redis := .Values.redis -}}
{{- if $redis.builtin.enabled -}}
- to:
    - podSelector:
        matchLabels:
          {{- include "tidegate.selector" (dict "root" . "component" "redis") | nindent 10 }}
  ports:
    - {port: 6379, protocol: TCP}
{{- else -}}
{{- $byUrl := and (empty $redis.existingSecret) (empty $redis.sentinels) (empty $redis.cluster) -}}
{{- $default := ternary 6379 (int64 $redis.networkPolicy.port) $byUrl -}}
- ports:
    {{- $ports := list (include "tidegate.port" (dict "url" $redis.url "default" $default)) }}
    {{- range $address := concat (values $redis.sentinels) (values $redis.cluster) }}
    {{- $ports = append $ports (splitList ":" $address | last) }}
    {{- end }}
    {{- range $port := $ports | uniq | sortAlpha }}
    - {port: {{ $port }}, protocol: TCP}
    {{- end }}
  {{- with $redis.networkPolicy.to }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
{{- end -}}

{{/* Egress of executors: Kraken, or what plays Kraken. By default every public address: keys must not be able to leave
     through something inside of the cluster that happens to listen on the same port. */}}
{{- define "tidegate.egress.kraken" -}}
{{- if .Values.sandbox.enabled -}}
- to:
    - podSelector:
        matchLabels:
          {{- include "tidegate.selector" (dict "root" . "component" "sandbox") | nindent 10 }}
  ports:
    - {port: 8480, protocol: TCP}
{{- else -}}
{{- $url := .Values.kraken.restUrl -}}
{{- $default := ternary 80 443 (hasPrefix "http://" $url) -}}
- to:
    {{- range .Values.kraken.networkPolicy.cidrs }}
    - ipBlock:
        cidr: {{ . | quote }}
    {{- else }}
    - ipBlock:
        cidr: 0.0.0.0/0
        except: [10.0.0.0/8, 100.64.0.0/10, 169.254.0.0/16, 172.16.0.0/12, 192.168.0.0/16]
    - ipBlock:
        cidr: "::/0"
        except: ["fc00::/7", "fe80::/10"]
    {{- end }}
  ports:
    - {port: {{ include "tidegate.port" (dict "url" $url "default" $default) }}, protocol: TCP}
{{- end -}}
{{- end -}}
