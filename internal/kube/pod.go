package kube

import (
	"net/netip"
	"slices"
	"time"
	"unique"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"mock-ec2-metadata/internal/caller"
)

// object is what is left of an object of the API: what the reflector needs, and a pod or annotations.
type object struct {
	metav1.ObjectMeta // namespace, name and resource version alone
	pod               *pod
	annotations       map[string]string
}

func (o *object) GetObjectKind() schema.ObjectKind { return schema.EmptyObjectKind }

// DeepCopyObject is never called by the reflector; it is shallow, since nothing changes an object.
func (o *object) DeepCopyObject() runtime.Object {
	c := *o
	return &c
}

// name is namespace/name, or the name of what is in no namespace.
func (o *object) name() string {
	if o.Namespace == "" {
		return o.Name
	}
	return o.Namespace + "/" + o.Name
}

// pod is a pod as the API last described it. Only workload and visible change, under the Locator's lock.
type pod struct {
	uid                string
	hash               string                // by which the kernel knows a static pod; "" for all others
	name               string                // in its namespace
	namespace, account unique.Handle[string] // shared by many pods
	annotations        map[string]string     // nil for most
	// addresses are its podIPs; none for a pod in the node's network.
	addresses   []netip.Addr
	hostNetwork bool
	finished    bool      // Succeeded or Failed
	gone        time.Time // when the API expects it to be gone, grace included; zero if it is not being deleted
	started     time.Time // zero until the kubelet has seen it
	own         string    // see State
	seen        time.Time // by this program, first
	// static is the UID that the kernel has of a static pod, whose object has another; "" for most.
	static  string
	visible bool // the kernel has shown processes of it
	// workload is nil until the annotations of its account and namespace are known.
	workload *caller.Workload
}

// live tells whether the pod counts.
func (p *pod) live() bool { return !p.finished }

func (p *pod) has(a netip.Addr) bool { return slices.Contains(p.addresses, a) }

// claims are the addresses that the pod counts for.
func (p *pod) claims() []netip.Addr {
	if p.finished {
		return nil
	}
	return p.addresses
}

// sameClaim tells whether p and q decide alike who has an address.
func (p *pod) sameClaim(q *pod) bool {
	return p.uid == q.uid && p.finished == q.finished && p.gone.Equal(q.gone) && p.started.Equal(q.started) &&
		slices.Equal(p.addresses, q.addresses)
}

// keeper strips objects.
type keeper struct {
	node  string
	names []string // of annotations
}

// pod strips a pod; it returns nil for another kind, and for a pod of another node.
func (k *keeper) pod(o runtime.Object) *object {
	p, ok := o.(*corev1.Pod)
	if !ok || p.Spec.NodeName != k.node {
		return nil
	}
	kept := &pod{
		uid: string(p.UID), hash: p.Annotations[configHash], name: p.Name, namespace: unique.Make(p.Namespace), account: unique.Make(p.Spec.ServiceAccountName),
		annotations: k.annotations(p.Annotations),
		hostNetwork: p.Spec.HostNetwork,
		finished:    p.Status.Phase == corev1.PodSucceeded || p.Status.Phase == corev1.PodFailed,
		own:         own(p.Spec.Containers),
		static:      p.Annotations[corev1.MirrorPodAnnotationKey],
	}
	if p.DeletionTimestamp != nil {
		kept.gone = p.DeletionTimestamp.Time
	}
	if p.Status.StartTime != nil {
		kept.started = p.Status.StartTime.Time
	}
	if !kept.hostNetwork {
		kept.addresses = addresses(&p.Status)
	}
	return &object{ObjectMeta: strippedMeta(&p.ObjectMeta), pod: kept}
}

// configHash is the annotation by which the kubelet's copy of a static pod in the API has the UID that the kubelet gave the pod. The
// object itself has another UID, from the API.
const configHash = "kubernetes.io/config.hash"

// metadata strips a service account or a namespace; it returns nil for another kind.
func (k *keeper) metadata(o runtime.Object) *object {
	m, ok := o.(*metav1.PartialObjectMetadata)
	if !ok {
		return nil
	}
	return &object{ObjectMeta: strippedMeta(&m.ObjectMeta), annotations: k.annotations(m.Annotations)}
}

func strippedMeta(m *metav1.ObjectMeta) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: m.Namespace, Name: m.Name, ResourceVersion: m.ResourceVersion}
}

func (k *keeper) annotations(all map[string]string) map[string]string {
	var kept map[string]string
	for _, name := range k.names {
		if value, ok := all[name]; ok {
			if kept == nil {
				kept = map[string]string{}
			}
			kept[name] = value
		}
	}
	return kept
}

// addresses are the podIPs, of which the first repeats podIP; old API servers have podIP alone.
func addresses(s *corev1.PodStatus) []netip.Addr {
	var all []netip.Addr
	for _, ip := range append([]corev1.PodIP{{IP: s.PodIP}}, s.PodIPs...) {
		if a, err := netip.ParseAddr(ip.IP); err == nil && !slices.Contains(all, a.Unmap()) {
			all = append(all, a.Unmap())
		}
	}
	return slices.Clip(all)
}

// ownVariables are those that SDKs read before they ask the metadata service.
var ownVariables = [...]string{
	"AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_ACCESS_KEY_ID",
}

// own names the first container that has credentials of its own, and the variable. Init containers end, so they do not count.
func own(containers []corev1.Container) string {
	for i := range containers {
		for _, variable := range ownVariables {
			set := func(e corev1.EnvVar) bool { return e.Name == variable && (e.Value != "" || e.ValueFrom != nil) }
			if slices.ContainsFunc(containers[i].Env, set) {
				return variable + " in container " + containers[i].Name
			}
		}
	}
	return ""
}
