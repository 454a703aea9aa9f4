package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"
)

const (
	// ConfigAnnotation has the SHA-256 of the configuration, so that a change of it replaces the pods.
	ConfigAnnotation = "checksum/config"
	// groupRead is the file mode 0440.
	groupRead = 0o440

	daemonComponent = "daemon"
	stateVolume     = "state"
	configVolume    = "config"
	runVolume       = "run"
	tmpVolume       = "tmp"
	tokenVolume     = "token"
	awsVolume       = "aws"
)

// daemonSet runs the daemon on every node. The container starts as root, with the four capabilities that the start needs. Two put the
// address on the node and bind port 80, two make the daemon an ordinary user. The process that serves has none.
//
// There is no init container, since starting one lengthens an upgrade's gap. So the daemon prepares its directory of the node, which the
// kubelet makes root's: the group of the pod lets it do that without CAP_CHOWN. That group reads the token and the Secret, too, which
// the kubelet gives to root otherwise.
func daemonSet(o Options) Object {
	sum := sha256.Sum256([]byte(o.Config))
	template := podTemplate{
		Metadata: Metadata{
			Labels:      componentLabels(daemonComponent),
			Annotations: map[string]string{ConfigAnnotation: hex.EncodeToString(sum[:])},
		},
		Spec: podSpec{
			ServiceAccountName: Name,
			PriorityClassName:  "system-node-critical",
			NodeSelector:       o.NodeSelector,
			Tolerations:        everywhere(),
			HostNetwork:        true, HostPID: o.HostPID,
			DNSPolicy:       "ClusterFirstWithHostNet",
			GracePeriod:     15,
			SecurityContext: podSecurityContext{FSGroup: o.User, SeccompProfile: defaultSeccomp()},
			Containers:      []container{daemon(o)},
			Volumes:         volumes(o),
		},
	}
	return Object{APIVersion: "apps/v1", Kind: "DaemonSet", Metadata: named(o), Spec: daemonSetSpec{
		Selector: labelSelector{map[string]string{NameLabel: Name, ComponentLabel: daemonComponent}},
		// Two daemons cannot have one address, so none may start before the old one has ended.
		UpdateStrategy:  updateStrategy{"RollingUpdate", rollingUpdate{MaxSurge: 0, MaxUnavailable: 1}},
		MinReadySeconds: 2, History: 3, Template: template,
	}}
}

func everywhere() []toleration { return []toleration{{"Exists"}} }

func defaultSeccomp() seccompProfile { return seccompProfile{"RuntimeDefault"} }

// locked is a security context with no more than the capabilities given.
func locked(user int64, added ...string) securityContext {
	return securityContext{
		RunAsUser: user, RunAsGroup: user, RunAsNonRoot: user != 0, ReadOnlyRoot: true,
		Capabilities: capabilities{Drop: []string{"ALL"}, Add: added},
	}
}

func daemon(o Options) container {
	return container{
		Name: daemonComponent, Image: o.Image, PullPolicy: o.PullPolicy, Command: []string{program}, Args: arguments(o),
		Env: environment(o),
		// A limit of CPU would throttle the moments in which many pods start.
		Resources:       resources{Requests: map[string]string{"cpu": "5m", "memory": "16Mi"}, Limits: map[string]string{"memory": "96Mi"}},
		SecurityContext: locked(0, "NET_ADMIN", "NET_BIND_SERVICE", "SETUID", "SETGID"),
		// A degraded daemon, such as one without credentials, passes: a restart would not help. A network probe would ask the
		// node's address, where the daemon does not listen.
		StartupProbe:   healthcheck(1, 60),
		ReadinessProbe: healthcheck(10, 3),
		LivenessProbe:  healthcheck(30, 4),
		Messages:       "FallbackToLogsOnError",
		VolumeMounts:   mounts(o),
	}
}

// arguments are those of the daemon.
func arguments(o Options) []string {
	args := []string{
		"serve", "--link-local", "--keep-address", "--listen", Local, "--config", configDir + "/config.yaml", "--user", strconv.FormatInt(o.User, 10),
	}
	if o.Credentials == Relay {
		args = append(args, "--relay", RelaySocket)
	}
	for _, set := range o.Set {
		args = append(args, "--set", set)
	}
	return args
}

// healthcheck is a probe with a period in seconds, and how many failures in a row count.
func healthcheck(period, failures int) *probe {
	return &probe{
		Exec:          execAction{[]string{program, "healthcheck", "--listen", Local}},
		PeriodSeconds: period, TimeoutSeconds: 5, FailureThreshold: failures,
	}
}

// environment sets what follows from the objects, over the configuration.
func environment(o Options) []variable {
	field := func(name, path string) variable { return variable{Name: name, ValueFrom: &valueFrom{fieldRef{path}}} }
	socket := RunDir + "/control.sock"
	env := []variable{
		field("NODE_NAME", "spec.nodeName"),
		field("POD_NAME", "metadata.name"),
		field("POD_NAMESPACE", "metadata.namespace"),
		{Name: "HOME", Value: home},
		{Name: "XDG_STATE_HOME", Value: "/var/lib"}, // StateDir is below
		{Name: "MOCK_EC2_METADATA__SERVER__CONTROL", Value: socket},
		{Name: "MOCK_EC2_METADATA_CONTROL", Value: socket}, // for commands in the pod
	}
	if o.Region != "" {
		env = append(env, variable{Name: "AWS_REGION", Value: o.Region})
	}
	if o.PodIdentity {
		env = append(env, variable{Name: "MOCK_EC2_METADATA__POD_IDENTITY__ENABLED", Value: "true"})
	}
	if o.Credentials == Mock {
		env = append(env, variable{Name: "MOCK_EC2_METADATA__CREDENTIALS__MOCK", Value: "true"})
	}
	return env
}

func mounts(o Options) []volumeMount {
	list := []volumeMount{
		{Name: configVolume, MountPath: configDir, ReadOnly: true},
		{Name: stateVolume, MountPath: StateDir},
		{Name: runVolume, MountPath: RunDir},
		{Name: tmpVolume, MountPath: "/tmp"},
		{Name: tokenVolume, MountPath: "/var/run/secrets/kubernetes.io/serviceaccount", ReadOnly: true},
	}
	if o.Credentials == Mount || o.Credentials == Secret {
		list = append(list, volumeMount{Name: awsVolume, MountPath: awsDir, ReadOnly: true})
	}
	return list
}

func volumes(o Options) []volume {
	list := []volume{
		{Name: configVolume, ConfigMap: &configMapSource{Name: Name}},
		{Name: stateVolume, HostPath: &hostPath{Path: StateDir, Type: "DirectoryOrCreate"}},
		{Name: runVolume, EmptyDir: &emptyDir{Medium: "Memory", SizeLimit: "1Mi"}},
		{Name: tmpVolume, EmptyDir: &emptyDir{SizeLimit: "16Mi"}},
		{Name: tokenVolume, Projected: &projected{DefaultMode: groupRead, Sources: []source{
			{Token: &tokenSource{Path: "token", Expiration: 3607}},
			{ConfigMap: &configMapSource{Name: "kube-root-ca.crt", Items: []keyPath{{"ca.crt", "ca.crt"}}}},
			{DownwardAPI: &downwardAPI{[]downwardItem{{"namespace", fieldRef{"metadata.namespace"}}}}},
		}}},
	}
	switch o.Credentials {
	case Mount:
		list = append(list, volume{Name: awsVolume, HostPath: &hostPath{Path: o.MountPath, Type: "Directory"}})
	case Secret:
		list = append(list, volume{Name: awsVolume, Secret: &secretSource{SecretName: o.SecretName, DefaultMode: groupRead}})
	}
	return list
}
