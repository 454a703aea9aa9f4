package manifest

import (
	"crypto/sha256"
	"encoding/hex"
	"path"
)

const (
	// CleanupComponent is the ComponentLabel of Cleanup's pods.
	CleanupComponent = "cleanup"
	// ProbeComponent is the ComponentLabel of Probe's pods.
	ProbeComponent = "probe"
	// NodeAnnotation has the name of the node of a one-shot pod.
	NodeAnnotation = "mock-ec2-metadata/node"

	// hostLib is where the clean-up has the directory of the node that holds StateDir: a mount point cannot be removed.
	hostLib = "/host/lib"
	// oneShotDeadline, in seconds, ends a one-shot pod that hangs.
	oneShotDeadline = 60
)

// oneShot is a pod that runs once on a node. It is bound to the node, so neither a scheduler nor a taint keeps it away.
func oneShot(o Options, component, node string, spec podSpec) Object {
	sum := sha256.Sum256([]byte(node))
	m := Metadata{
		Name: Name + "-" + component + "-" + hex.EncodeToString(sum[:4]), Namespace: o.Namespace,
		Labels: componentLabels(component), Annotations: map[string]string{NodeAnnotation: node},
	}
	spec.NodeName, spec.Tolerations, spec.RestartPolicy, spec.ActiveDeadline = node, everywhere(), "Never", oneShotDeadline
	return Object{APIVersion: "v1", Kind: "Pod", Metadata: m, Spec: spec}
}

// Cleanup is the pod that removes from a node what a daemon may leave there: the interface, if the daemon was killed, and StateDir.
// The DaemonSet's pods must have ended.
func Cleanup(o Options, node string) Object {
	return oneShot(o, CleanupComponent, node, cleanupSpec(o))
}

// cleanupSpec has two steps, so that neither needs CAP_DAC_OVERRIDE. First the daemon's user deletes its files. Then root deletes the
// directory, with the one capability that the interface needs.
func cleanupSpec(o Options) podSpec {
	state := path.Join(hostLib, path.Base(StateDir))
	files := task(o, "files", "cleanup", "--files", state)
	files.SecurityContext = locked(o.User)
	node := task(o, "node", "cleanup", "--interface", "--directory", state)
	node.SecurityContext = locked(0, "NET_ADMIN")
	for _, c := range []*container{&files, &node} {
		c.VolumeMounts = []volumeMount{{Name: stateVolume, MountPath: hostLib}}
	}
	return podSpec{
		HostNetwork: true, GracePeriod: 5, SecurityContext: podSecurityContext{SeccompProfile: defaultSeccomp()},
		InitContainers: []container{files}, Containers: []container{node},
		Volumes: []volume{{Name: stateVolume, HostPath: &hostPath{Path: path.Dir(StateDir), Type: "Directory"}}},
	}
}

// Probe is the pod that proves that pods of a node reach the daemon: an ordinary pod without any privilege.
func Probe(o Options, node string) Object {
	ask := task(o, ProbeComponent, "healthcheck", "--listen", "169.254.169.254:80")
	ask.SecurityContext = locked(o.User)
	pod := oneShot(o, ProbeComponent, node, podSpec{
		GracePeriod: 5, SecurityContext: podSecurityContext{SeccompProfile: defaultSeccomp()}, Containers: []container{ask},
	})
	pod.Metadata.Annotations["mock-ec2-metadata/role"] = "none" // it asks for none, whatever pods get by default
	return pod
}

// task is a container that runs a command of the program to its end.
func task(o Options, name string, args ...string) container {
	return container{
		Name: name, Image: o.Image, PullPolicy: o.PullPolicy, Command: []string{program}, Args: args, Messages: "FallbackToLogsOnError",
		Resources: resources{Requests: map[string]string{"cpu": "5m", "memory": "16Mi"}, Limits: map[string]string{"memory": "64Mi"}},
	}
}
