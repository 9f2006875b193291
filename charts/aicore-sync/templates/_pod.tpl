{{- define "aicore-sync.pod" -}}
metadata:
  labels:
    {{- include "aicore-sync.selector" . | nindent 4 }}
    {{- with .Values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  annotations:
    checksum/config: {{ include "aicore-sync.fixed" . | sha256sum }}
    {{- with .Values.podAnnotations }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
spec:
  serviceAccountName: {{ include "aicore-sync.serviceAccount" . }}
  automountServiceAccountToken: {{ .Values.leases.enabled }}
  enableServiceLinks: false
  # The pause process ends what renders leave behind; ours is then not process 1.
  shareProcessNamespace: true
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- with .Values.image.pullSecrets }}
  imagePullSecrets:
    {{- range . }}
    - name: {{ . }}
    {{- end }}
  {{- end }}
  {{- with .Values.priorityClassName }}
  priorityClassName: {{ . }}
  {{- end }}
  {{- with .Values.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .Values.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- if gt (int .Values.replicas) 1 }}
  topologySpreadConstraints:
    {{- range list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
    - topologyKey: {{ . }}
      maxSkew: 1
      whenUnsatisfiable: ScheduleAnyway
      labelSelector:
        matchLabels:
          {{- include "aicore-sync.selector" $ | nindent 10 }}
    {{- end }}
  {{- end }}
  securityContext:
    runAsNonRoot: true
    runAsUser: 65534
    runAsGroup: 65534
    fsGroup: 65534
    fsGroupChangePolicy: OnRootMismatch
    seccompProfile: {type: RuntimeDefault}
  containers:
    - name: aicore-sync
      {{- include "aicore-sync.container" . | nindent 6 }}
  volumes:
    - name: config
      configMap: {name: {{ include "aicore-sync.fullname" . }}-config}
    {{- if not .Values.persistence.enabled }}
    - name: cache
      emptyDir: {sizeLimit: {{ .Values.cache.sizeLimit }}}
    {{- end }}
    {{- with .Values.source.volume }}
    - name: source
      {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- range $at, $secret := .Values.secrets }}
    - name: secret-{{ $at }}
      secret:
        secretName: {{ $secret.name }}
        defaultMode: 0440
    {{- end }}
    {{- with .Values.extraVolumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end -}}

{{- define "aicore-sync.container" -}}
image: {{ include "aicore-sync.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
args: [run, --config, /etc/aicore-sync/config.yaml]
ports:
  - {name: http, containerPort: 8080, protocol: TCP}
{{- if or .Values.env .Values.leases.enabled }}
env:
  {{- if .Values.leases.enabled }}
  - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
  {{- end }}
  {{- with .Values.env }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end }}
{{- with .Values.envFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
# Started: the window answers. Live: the loop turns. Ready: the configuration is valid and the source has been read.
startupProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 10
  timeoutSeconds: 3
  failureThreshold: 3
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 5
  timeoutSeconds: 3
  failureThreshold: 2
{{- with .Values.resources }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
volumeMounts:
  - {name: config, mountPath: /etc/aicore-sync, readOnly: true}
  - {name: cache, mountPath: /var/cache/aicore-sync}
  {{- if .Values.source.volume }}
  - {name: source, mountPath: {{ .Values.source.mountPath }}, readOnly: true}
  {{- end }}
  {{- range $at, $secret := .Values.secrets }}
  - {name: secret-{{ $at }}, mountPath: {{ $secret.mountPath }}, readOnly: true}
  {{- end }}
  {{- with .Values.extraVolumeMounts }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}
