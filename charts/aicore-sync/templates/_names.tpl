{{- define "aicore-sync.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* 52 characters leave room for the longest ending, "-dashboard" and "-shard-63". */}}
{{- define "aicore-sync.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "aicore-sync.selector" -}}
app.kubernetes.io/name: {{ include "aicore-sync.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "aicore-sync.labels" -}}
{{ include "aicore-sync.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "aicore-sync.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "aicore-sync.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "aicore-sync.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ default $.Chart.AppVersion .tag }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Replicas ask each other for what they know. */}}
{{- define "aicore-sync.replicas" -}}
{{- $root := index . 0 -}}
{{- if $root.Values.leases.enabled -}}
- ports: [{port: http, protocol: TCP}]
  {{ index . 1 }}:
    - podSelector:
        matchLabels:
          {{- include "aicore-sync.selector" $root | nindent 10 }}
{{- end -}}
{{- end -}}

{{/* The configuration, with what only the pod knows. */}}
{{- /* What a running process cannot follow (see `fixed` of the program); everything else it takes from the mounted file. */ -}}
{{- define "aicore-sync.fixed" -}}
{{- $config := include "aicore-sync.config" . | fromYaml -}}
{{- pick $config "owner" "replicas" "cacheDir" "stateDir" | toYaml }}
{{ pick $config.http "host" "port" | toYaml }}
{{- end -}}

{{- define "aicore-sync.config" -}}
{{- $fixed := dict "http" (dict "port" 8080) "cacheDir" "/var/cache/aicore-sync" "stateDir" "/var/cache/aicore-sync/state" -}}
{{- $default := dict "http" (dict "host" "0.0.0.0") "sources" (list (dict "name" "flows" "directory" .Values.source.mountPath)) -}}
{{- if .Values.leases.enabled -}}
{{- $leases := printf "%s-shard" (include "aicore-sync.fullname" .) -}}
{{- $_ := set $fixed "replicas" (dict "leases" $leases "shards" (int .Values.leases.shards)) -}}
{{- end -}}
{{- $environments := dict -}}
{{- range $dialect, $python := .Values.render -}}
{{- if $python -}}
{{- $_ := set $environments $dialect (dict "python" $python) -}}
{{- end -}}
{{- end -}}
{{- if $environments -}}
{{- $_ := set $default "render" (dict "environments" $environments) -}}
{{- end -}}
{{- toYaml (mergeOverwrite $default (deepCopy .Values.config) $fixed) -}}
{{- end -}}
