package cluster

import (
	"slices"
	"strings"
	"time"
)

// The types of this file are the few fields of Kubernetes objects that are needed.

type list[T any] struct {
	Items []T `json:"items"`
}

type metadata struct {
	Name              string            `json:"name"`
	Namespace         string            `json:"namespace"`
	UID               string            `json:"uid"`
	ResourceVersion   string            `json:"resourceVersion"`
	Generation        int64             `json:"generation"`
	Labels            map[string]string `json:"labels"`
	Annotations       map[string]string `json:"annotations"`
	DeletionTimestamp *time.Time        `json:"deletionTimestamp"`
	OwnerReferences   []struct {
		Kind string `json:"kind"`
	} `json:"ownerReferences"`
}

// object is one of any kind.
type object struct {
	APIVersion string   `json:"apiVersion"`
	Kind       string   `json:"kind"`
	Metadata   metadata `json:"metadata"`
}

// isOurs reports whether up has made it.
func (o object) isOurs() bool {
	return o.Metadata.Labels[nameLabel] == DaemonSet && o.Metadata.Labels[managedLabel] == program
}

// isOwned reports whether another object makes and deletes it.
func (o object) isOwned() bool { return len(o.Metadata.OwnerReferences) > 0 }

// id tells objects apart.
func (o object) id() string {
	group, _, grouped := strings.Cut(o.APIVersion, "/")
	if !grouped {
		group = ""
	}
	return strings.Join([]string{group, o.Kind, o.Metadata.Namespace, o.Metadata.Name}, "|")
}

// String names the object for people.
func (o object) String() string {
	if o.Metadata.Namespace == "" {
		return o.Kind + " " + o.Metadata.Name
	}
	return o.Kind + " " + o.Metadata.Namespace + "/" + o.Metadata.Name
}

type condition struct {
	Type   string `json:"type"`
	Status string `json:"status"`
}

type node struct {
	Metadata metadata `json:"metadata"`
	Spec     struct {
		ProviderID    string `json:"providerID"`
		Unschedulable bool   `json:"unschedulable"`
	} `json:"spec"`
	Status struct {
		Conditions []condition `json:"conditions"`
		Addresses  []struct {
			Type    string `json:"type"`
			Address string `json:"address"`
		} `json:"addresses"`
		NodeInfo struct {
			Architecture            string `json:"architecture"`
			OperatingSystem         string `json:"operatingSystem"`
			ContainerRuntimeVersion string `json:"containerRuntimeVersion"`
		} `json:"nodeInfo"`
		Images []struct {
			Names []string `json:"names"`
		} `json:"images"`
	} `json:"status"`
}

// absent is why nothing can run on the node; "" if it can.
func (n *node) absent() string {
	if os := n.Status.NodeInfo.OperatingSystem; os != "" && os != "linux" {
		return "runs " + os
	}
	ready := slices.ContainsFunc(n.Status.Conditions, func(c condition) bool { return c.Type == "Ready" && c.Status == "True" })
	switch {
	case !ready:
		return "is not ready"
	case n.Spec.Unschedulable:
		return "is unschedulable"
	}
	return ""
}

// images are the names of all images that the node says it has: it tells 50 at most.
func (n *node) images() []string {
	var all []string
	for _, i := range n.Status.Images {
		all = append(all, i.Names...)
	}
	return all
}

// isImage reports whether a name that a node tells is that of a tag: runtimes put a registry before it.
func isImage(name, tag string) bool { return name == tag || strings.HasSuffix(name, "/"+tag) }

type daemonSet struct {
	object
	Spec struct {
		Template struct {
			Spec podSpec `json:"spec"`
		} `json:"template"`
	} `json:"spec"`
	Status struct {
		ObservedGeneration int64 `json:"observedGeneration"`
	} `json:"status"`
}

type podSpec struct {
	NodeName        string `json:"nodeName"`
	SecurityContext struct {
		FSGroup int64 `json:"fsGroup"` // of a daemon its user
	} `json:"securityContext"`
	Containers []struct {
		Name            string `json:"name"`
		Image           string `json:"image"`
		ImagePullPolicy string `json:"imagePullPolicy"`
		Env             []struct {
			Name  string `json:"name"`
			Value string `json:"value"`
		} `json:"env"`
	} `json:"containers"`
}

// image is that of the first container, with its pull policy.
func (s *podSpec) image() (ref, policy string) {
	if len(s.Containers) == 0 {
		return "", ""
	}
	return s.Containers[0].Image, s.Containers[0].ImagePullPolicy
}

type containerState struct {
	Waiting *struct {
		Reason  string `json:"reason"`
		Message string `json:"message"`
	} `json:"waiting"`
	Terminated *struct {
		ExitCode int    `json:"exitCode"`
		Reason   string `json:"reason"`
		Message  string `json:"message"` // the end of its log, if it failed
	} `json:"terminated"`
}

type containerStatus struct {
	RestartCount int            `json:"restartCount"`
	State        containerState `json:"state"`
	LastState    containerState `json:"lastState"`
}

type pod struct {
	object
	Spec   podSpec `json:"spec"`
	Status struct {
		Phase                 string            `json:"phase"`
		Reason                string            `json:"reason"`
		Message               string            `json:"message"`
		Conditions            []condition       `json:"conditions"`
		ContainerStatuses     []containerStatus `json:"containerStatuses"`
		InitContainerStatuses []containerStatus `json:"initContainerStatuses"`
	} `json:"status"`
}

func (p *pod) isReady() bool {
	return slices.ContainsFunc(p.Status.Conditions, func(c condition) bool { return c.Type == "Ready" && c.Status == "True" })
}

// isDaemon reports whether the pod is one of a DaemonSet.
func (p *pod) isDaemon() bool {
	return len(p.Metadata.OwnerReferences) > 0 && p.Metadata.OwnerReferences[0].Kind == "DaemonSet"
}

// hopeless are reasons of waiting that no waiting fixes.
var hopeless = []string{
	"CrashLoopBackOff", "ErrImageNeverPull", "ImagePullBackOff", "InvalidImageName", "CreateContainerConfigError",
	"CreateContainerError", "RunContainerError",
}

// broken is why the pod will not come up by itself; "" while it may.
func (p *pod) broken() string {
	for _, c := range p.Status.ContainerStatuses {
		if w := c.State.Waiting; w != nil && slices.Contains(hopeless, w.Reason) {
			return strings.TrimSuffix(w.Reason+": "+w.Message, ": ")
		}
		if c.RestartCount >= 2 && !p.isReady() {
			return "it has crashed again and again"
		}
	}
	if p.Status.Phase == "Failed" {
		return strings.TrimSuffix(p.Status.Reason+": "+p.Status.Message, ": ")
	}
	return ""
}
