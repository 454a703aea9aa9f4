package manifest

// The types are those of the Kubernetes API, as far as our objects use them, with its field names and its usual order.

// Object is an object of any kind. It marshals to YAML.
type Object struct {
	APIVersion string   `yaml:"apiVersion"`
	Kind       string   `yaml:"kind"`
	Metadata   Metadata `yaml:"metadata"`

	Automount  *bool             `yaml:"automountServiceAccountToken,omitempty"` // of a ServiceAccount
	Rules      []rule            `yaml:"rules,omitempty"`                        // of a ClusterRole
	RoleRef    *roleRef          `yaml:"roleRef,omitempty"`
	Subjects   []subject         `yaml:"subjects,omitempty"`
	Data       map[string]string `yaml:"data,omitempty"`       // of a ConfigMap
	Type       string            `yaml:"type,omitempty"`       // of a Secret
	StringData secretData        `yaml:"stringData,omitempty"` // of a Secret

	Spec any `yaml:"spec,omitempty"` // daemonSetSpec, podSpec, networkPolicySpec or ciliumSpec
}

// Metadata names an object.
type Metadata struct {
	Name        string            `yaml:"name,omitempty"`
	Namespace   string            `yaml:"namespace,omitempty"`
	Labels      map[string]string `yaml:"labels,omitempty"`
	Annotations map[string]string `yaml:"annotations,omitempty"`
}

type rule struct {
	APIGroups     []string `yaml:"apiGroups,flow"`
	Resources     []string `yaml:"resources,flow"`
	ResourceNames []string `yaml:"resourceNames,omitempty,flow"`
	Verbs         []string `yaml:"verbs,flow"`
}

type roleRef struct {
	APIGroup string `yaml:"apiGroup"`
	Kind     string `yaml:"kind"`
	Name     string `yaml:"name"`
}

type subject struct {
	Kind      string `yaml:"kind"`
	Name      string `yaml:"name"`
	Namespace string `yaml:"namespace"`
}

type labelSelector struct {
	MatchLabels map[string]string `yaml:"matchLabels,omitempty"`
}

type daemonSetSpec struct {
	Selector        labelSelector  `yaml:"selector"`
	UpdateStrategy  updateStrategy `yaml:"updateStrategy"`
	MinReadySeconds int            `yaml:"minReadySeconds"`
	History         int            `yaml:"revisionHistoryLimit"`
	Template        podTemplate    `yaml:"template"`
}

type updateStrategy struct {
	Type          string        `yaml:"type"`
	RollingUpdate rollingUpdate `yaml:"rollingUpdate"`
}

type rollingUpdate struct {
	MaxSurge       int `yaml:"maxSurge"`
	MaxUnavailable int `yaml:"maxUnavailable"`
}

type podTemplate struct {
	Metadata Metadata `yaml:"metadata"`
	Spec     podSpec  `yaml:"spec"`
}

type podSpec struct {
	ServiceAccountName string             `yaml:"serviceAccountName,omitempty"`
	Automount          bool               `yaml:"automountServiceAccountToken"`
	ServiceLinks       bool               `yaml:"enableServiceLinks"`
	PriorityClassName  string             `yaml:"priorityClassName,omitempty"`
	NodeName           string             `yaml:"nodeName,omitempty"`
	NodeSelector       map[string]string  `yaml:"nodeSelector,omitempty"`
	Tolerations        []toleration       `yaml:"tolerations"`
	HostNetwork        bool               `yaml:"hostNetwork,omitempty"`
	HostPID            bool               `yaml:"hostPID,omitempty"`
	DNSPolicy          string             `yaml:"dnsPolicy,omitempty"`
	RestartPolicy      string             `yaml:"restartPolicy,omitempty"`
	ActiveDeadline     int                `yaml:"activeDeadlineSeconds,omitempty"`
	GracePeriod        int                `yaml:"terminationGracePeriodSeconds"`
	SecurityContext    podSecurityContext `yaml:"securityContext"`
	InitContainers     []container        `yaml:"initContainers,omitempty"`
	Containers         []container        `yaml:"containers"`
	Volumes            []volume           `yaml:"volumes,omitempty"`
}

type toleration struct {
	Operator string `yaml:"operator"`
}

type podSecurityContext struct {
	FSGroup        int64          `yaml:"fsGroup,omitempty"`
	SeccompProfile seccompProfile `yaml:"seccompProfile"`
}

type seccompProfile struct {
	Type string `yaml:"type"`
}

type container struct {
	Name            string          `yaml:"name"`
	Image           string          `yaml:"image"`
	PullPolicy      string          `yaml:"imagePullPolicy"`
	Command         []string        `yaml:"command,flow"`
	Args            []string        `yaml:"args,omitempty"`
	Env             []variable      `yaml:"env,omitempty"`
	Resources       resources       `yaml:"resources"`
	SecurityContext securityContext `yaml:"securityContext"`
	StartupProbe    *probe          `yaml:"startupProbe,omitempty"`
	ReadinessProbe  *probe          `yaml:"readinessProbe,omitempty"`
	LivenessProbe   *probe          `yaml:"livenessProbe,omitempty"`
	Messages        string          `yaml:"terminationMessagePolicy"`
	VolumeMounts    []volumeMount   `yaml:"volumeMounts,omitempty"`
}

type variable struct {
	Name      string     `yaml:"name"`
	Value     string     `yaml:"value,omitempty"`
	ValueFrom *valueFrom `yaml:"valueFrom,omitempty"`
}

type valueFrom struct {
	FieldRef fieldRef `yaml:"fieldRef,flow"`
}

type fieldRef struct {
	FieldPath string `yaml:"fieldPath"`
}

type resources struct {
	Requests map[string]string `yaml:"requests,flow"`
	Limits   map[string]string `yaml:"limits,flow"`
}

type securityContext struct {
	RunAsUser    int64        `yaml:"runAsUser"`
	RunAsGroup   int64        `yaml:"runAsGroup"`
	RunAsNonRoot bool         `yaml:"runAsNonRoot,omitempty"`
	Escalation   bool         `yaml:"allowPrivilegeEscalation"`
	ReadOnlyRoot bool         `yaml:"readOnlyRootFilesystem"`
	Capabilities capabilities `yaml:"capabilities"`
}

type capabilities struct {
	Drop []string `yaml:"drop,flow"`
	Add  []string `yaml:"add,omitempty,flow"`
}

type probe struct {
	Exec             execAction `yaml:"exec"`
	PeriodSeconds    int        `yaml:"periodSeconds"`
	TimeoutSeconds   int        `yaml:"timeoutSeconds"`
	FailureThreshold int        `yaml:"failureThreshold"`
}

type execAction struct {
	Command []string `yaml:"command,flow"`
}

type volumeMount struct {
	Name      string `yaml:"name"`
	MountPath string `yaml:"mountPath"`
	ReadOnly  bool   `yaml:"readOnly,omitempty"`
}

type volume struct {
	Name      string           `yaml:"name"`
	ConfigMap *configMapSource `yaml:"configMap,omitempty"`
	Secret    *secretSource    `yaml:"secret,omitempty"`
	HostPath  *hostPath        `yaml:"hostPath,omitempty"`
	EmptyDir  *emptyDir        `yaml:"emptyDir,omitempty"`
	Projected *projected       `yaml:"projected,omitempty"`
}

type configMapSource struct {
	Name  string    `yaml:"name"`
	Items []keyPath `yaml:"items,omitempty"`
}

type keyPath struct {
	Key  string `yaml:"key"`
	Path string `yaml:"path"`
}

type secretSource struct {
	SecretName  string `yaml:"secretName"`
	DefaultMode int    `yaml:"defaultMode"`
}

type hostPath struct {
	Path string `yaml:"path"`
	Type string `yaml:"type"`
}

type emptyDir struct {
	Medium    string `yaml:"medium,omitempty"`
	SizeLimit string `yaml:"sizeLimit"`
}

type projected struct {
	DefaultMode int      `yaml:"defaultMode"`
	Sources     []source `yaml:"sources"`
}

type source struct {
	Token       *tokenSource     `yaml:"serviceAccountToken,omitempty"`
	ConfigMap   *configMapSource `yaml:"configMap,omitempty"`
	DownwardAPI *downwardAPI     `yaml:"downwardAPI,omitempty"`
}

type tokenSource struct {
	Path       string `yaml:"path"`
	Expiration int    `yaml:"expirationSeconds"`
}

type downwardAPI struct {
	Items []downwardItem `yaml:"items"`
}

type downwardItem struct {
	Path     string   `yaml:"path"`
	FieldRef fieldRef `yaml:"fieldRef,flow"`
}

type networkPolicySpec struct {
	PodSelector labelSelector `yaml:"podSelector"`
	PolicyTypes []string      `yaml:"policyTypes,flow"`
	Egress      []egress      `yaml:"egress"`
}

type egress struct {
	To    []peer `yaml:"to"`
	Ports []port `yaml:"ports"`
}

type peer struct {
	IPBlock ipBlock `yaml:"ipBlock,flow"`
}

type ipBlock struct {
	CIDR string `yaml:"cidr"`
}

type port struct {
	Protocol string `yaml:"protocol"`
	Port     int    `yaml:"port"`
}

type ciliumSpec struct {
	EndpointSelector labelSelector  `yaml:"endpointSelector"`
	Egress           []ciliumEgress `yaml:"egress"`
}

type ciliumEgress struct {
	ToEntities []string      `yaml:"toEntities,flow"`
	ToPorts    []ciliumPorts `yaml:"toPorts"`
}

type ciliumPorts struct {
	Ports []ciliumPort `yaml:"ports"`
}

type ciliumPort struct {
	Port     string `yaml:"port"`
	Protocol string `yaml:"protocol"`
}
