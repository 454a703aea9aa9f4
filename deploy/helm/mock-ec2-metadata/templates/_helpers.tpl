{{- define "mock-ec2-metadata.labels" -}}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/name: mock-ec2-metadata
{{- end }}

{{- define "mock-ec2-metadata.image" -}}
image: {{ printf "%s:%s" .Values.image.repository .Values.image.tag | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
command: [/mock-ec2-metadata-kube]
{{- end }}

{{- define "mock-ec2-metadata.taskResources" -}}
resources:
  requests: {cpu: 5m, memory: 16Mi}
  limits: {memory: 64Mi}
{{- end }}

{{- /* The security context of a container that does not run as root. */}}
{{- define "mock-ec2-metadata.restricted" -}}
securityContext:
  runAsUser: {{ int64 .Values.user }}
  runAsGroup: {{ int64 .Values.user }}
  runAsNonRoot: true
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "mock-ec2-metadata.healthcheck" -}}
exec: {command: [/mock-ec2-metadata-kube, healthcheck, --listen, "127.0.0.1:5001"]}
timeoutSeconds: 5
{{- end }}

{{- /* The metadata of all objects of the clean-up. */}}
{{- define "mock-ec2-metadata.cleanup" -}}
name: mock-ec2-metadata-cleanup
namespace: {{ .Release.Namespace }}
labels:
  {{- include "mock-ec2-metadata.labels" . | nindent 2 }}
{{- end }}

{{- define "mock-ec2-metadata.hook" -}}
helm.sh/hook: post-delete
helm.sh/hook-delete-policy: before-hook-creation,hook-succeeded,hook-failed
{{- end }}
