package manifest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// role returns the ClusterRole's rights, each as "VERB RESOURCE" with a name in brackets, sorted.
func rights(o Options) []string {
	var all []string
	for _, r := range clusterRole(o).Rules {
		for _, resource := range r.Resources {
			for _, verb := range r.Verbs {
				right := verb + " " + resource
				if len(r.ResourceNames) > 0 {
					right += fmt.Sprint(r.ResourceNames)
				}
				all = append(all, right)
			}
		}
	}
	slices.Sort(all)
	return all
}

func TestClusterRole_HasTheRightsThatOptionsNeed(t *testing.T) {
	least := []string{"get namespaces[kube-system]", "get nodes", "list pods", "watch pods"}
	for _, test := range []struct {
		name    string
		options Options
		more    []string
	}{
		{"nothing", Options{}, nil},
		{"events", Options{Events: true}, []string{"create events", "patch events"}},
		{"service accounts", Options{ServiceAccounts: true}, []string{"list serviceaccounts", "watch serviceaccounts"}},
		{"namespaces", Options{Namespaces: true}, []string{"list namespaces", "watch namespaces"}},
		{"pod identity", Options{PodIdentity: true}, []string{"create tokenreviews"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			want := slices.Sorted(slices.Values(slices.Concat(least, test.more)))
			if got := rights(test.options); !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func daemonPod(t *testing.T, o Options) podSpec {
	t.Helper()
	spec, ok := daemonSet(o).Spec.(daemonSetSpec)
	if !ok {
		t.Fatal("no DaemonSet")
	}
	return spec.Template.Spec
}

func TestDaemonSet_PodHasFourCapabilitiesAndNoInitContainer(t *testing.T) {
	pod := daemonPod(t, Default())
	if len(pod.Containers) != 1 || len(pod.InitContainers) != 0 {
		t.Fatalf("%d containers and %d init containers, want 1 and 0: the start of each lengthens an upgrade's gap", len(pod.Containers), len(pod.InitContainers))
	}
	c := pod.Containers[0].SecurityContext
	if want := []string{"NET_ADMIN", "NET_BIND_SERVICE", "SETUID", "SETGID"}; !slices.Equal(c.Capabilities.Add, want) || !slices.Equal(c.Capabilities.Drop, []string{"ALL"}) {
		t.Errorf("capabilities %+v, want all dropped and %q added", c.Capabilities, want)
	}
	if c.Escalation || !c.ReadOnlyRoot {
		t.Errorf("allowPrivilegeEscalation %v, readOnlyRootFilesystem %v", c.Escalation, c.ReadOnlyRoot)
	}
}

// The kubelet gives the token to root with mode 0600 where all containers run as root and there is no group.
func TestDaemonSet_GroupIsTheUsersSoThatItReadsTheToken(t *testing.T) {
	o := changed(func(o *Options) { o.User = 1234 })
	pod := daemonPod(t, o)
	args := strings.Join(pod.Containers[0].Args, " ")
	if pod.SecurityContext.FSGroup != 1234 || !strings.Contains(args, " --user 1234 ") {
		t.Errorf("fsGroup %d, args %s", pod.SecurityContext.FSGroup, args)
	}
}

func TestDaemonSet_ChangedConfigurationChangesThePods(t *testing.T) {
	sum := func(config string) string {
		spec, _ := daemonSet(Options{Config: config}).Spec.(daemonSetSpec)
		return spec.Template.Metadata.Annotations[ConfigAnnotation]
	}
	if a, b := sum("a"), sum("b"); a == b || a != sum("a") {
		t.Errorf("sums %s and %s", a, b)
	}
}

func TestObjects_AllHaveTheLabels(t *testing.T) {
	o := changed(func(o *Options) { o.NetworkPolicies, o.Cilium = []string{"shop"}, true })
	objects := append(Objects(o), Cleanup(o, "n"), Probe(o, "n"), AWSFiles(o, "c", "k"))
	for _, object := range objects {
		l := object.Metadata.Labels
		if l[NameLabel] != Name || l[ManagedByLabel] != ManagedBy {
			t.Errorf("%s %s has the labels %v", object.Kind, object.Metadata.Name, l)
		}
	}
}

func TestOneShot_NamesOfNodesDiffer(t *testing.T) {
	long := strings.Repeat("node.", 50)
	a, b := Cleanup(Default(), long+"a"), Cleanup(Default(), long+"b")
	if a.Metadata.Name == b.Metadata.Name || len(a.Metadata.Name) > 63 {
		t.Errorf("names %s and %s", a.Metadata.Name, b.Metadata.Name)
	}
	if got := a.Metadata.Annotations[NodeAnnotation]; got != long+"a" {
		t.Errorf("node %q", got)
	}
}

func TestAWSFiles_RedactsItself(t *testing.T) {
	text := fmt.Sprintf("%v %+v %#v %s", AWSFiles(Default(), "", "k3y"), AWSFiles(Default(), "", "k3y"), AWSFiles(Default(), "", "k3y"), AWSFiles(Default(), "", "k3y").StringData)
	if strings.Contains(text, "k3y") {
		t.Error(text)
	}
}

func TestCheck_NamesTheOption(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(o *Options)
		want   string
	}{
		{"image", func(o *Options) { o.Image = "" }, "manifest: no namespace or no image; name both"},
		{"root", func(o *Options) { o.User = 0 }, "manifest: the user 0; name one that is not root"},
		{"path", func(o *Options) { o.Credentials, o.MountPath = Mount, "~/.aws" }, `manifest: the directory "~/.aws" of nodes; name an absolute path`},
		{"Secret", func(o *Options) { o.Credentials, o.SecretName = Secret, "" }, "manifest: no name of the Secret; name one"},
		{"way", func(o *Options) { o.Credentials = "vault" }, `manifest: credentials "vault"; use relay, mount, secret or mock`},
	} {
		t.Run(test.name, func(t *testing.T) {
			if err := changed(test.change).Check(); err == nil || err.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
	if err := Default().Check(); err != nil {
		t.Error(err)
	}
}
