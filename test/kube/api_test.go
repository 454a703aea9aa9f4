//go:build kube && linux

package kube

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"gopkg.in/yaml.v3"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/kube"
	"mock-ec2-metadata/internal/manifest"
	"mock-ec2-metadata/internal/testutil"
)

// collections are the paths of the kinds of a manifest, without the namespace.
var collections = map[string]string{
	"Namespace": "/api/v1/namespaces", "ServiceAccount": "/api/v1/namespaces/NS/serviceaccounts", "ConfigMap": "/api/v1/namespaces/NS/configmaps",
	"ClusterRole":        "/apis/rbac.authorization.k8s.io/v1/clusterroles",
	"ClusterRoleBinding": "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings",
	"DaemonSet":          "/apis/apps/v1/namespaces/NS/daemonsets",
}

// install makes the objects of a manifest, and returns the place of the API for their service account.
func (s *apiServer) install(t *testing.T, o manifest.Options) *daemonAccount {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(string(manifest.YAML(o))))
	for {
		var each object
		if decoder.Decode(&each) != nil {
			break
		}
		s.api.do(t, http.MethodPost, strings.Replace(collections[each["kind"].(string)], "NS", o.Namespace, 1), each, nil)
	}
	a := &daemonAccount{server: s, namespace: o.Namespace, tokenFile: filepath.Join(t.TempDir(), "token")}
	a.newToken(t)
	return a
}

// daemonAccount is the service account of the daemon.
type daemonAccount struct {
	server               *apiServer
	namespace, tokenFile string
}

func (a *daemonAccount) newToken(t *testing.T) {
	t.Helper()
	testutil.Write(t, a.tokenFile, a.server.api.accountToken(t, a.namespace, manifest.Name))
}

// follow follows the pods of the node until the test ends.
func (a *daemonAccount) follow(t *testing.T) (*kube.Locator, *testutil.Buffer) {
	t.Helper()
	ca, err := os.ReadFile(a.server.authority)
	if err != nil {
		t.Fatal(err)
	}
	log := new(testutil.Buffer)
	o := kube.Options{
		Node: nodeName, Find: []string{"watch"}, Wait: 2 * time.Second, Annotations: []string{"role"}, Accounts: true, Namespaces: true,
		API: kube.NewConfig(a.server.api.url, ca, a.tokenFile), Log: slog.New(slog.NewTextHandler(log, nil)), Now: time.Now,
	}
	l, err := kube.New(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		l.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return l, log
}

// at waits until a pod of a name has an address, and returns it.
func at(t *testing.T, l *kube.Locator, address, name string) *caller.Pod {
	t.Helper()
	var found *caller.Pod
	testutil.EventuallyWithin(t, time.Minute, name+" has "+address, func() bool {
		w, err := l.Locate(t.Context(), netip.MustParseAddr(address))
		if err != nil || w.Pod.Name != name {
			return false
		}
		found = w.Pod
		return true
	})
	return found
}

// makeNode makes the Node object, which no kubelet makes here.
func (s *apiServer) makeNode(t *testing.T) {
	t.Helper()
	s.api.do(t, http.MethodPost, "/api/v1/nodes", object{
		"metadata": object{"name": nodeName, "labels": object{"topology.kubernetes.io/zone": "eu-west-3a", "node.kubernetes.io/instance-type": "m6i.large"}},
		"spec":     object{"podCIDR": "10.244.0.0/24", "podCIDRs": []string{"10.244.0.0/24"}},
	}, nil)
	s.api.do(t, http.MethodPatch, "/api/v1/nodes/"+nodeName+"/status", object{"status": object{"addresses": []any{
		object{"type": "InternalIP", "address": "10.0.0.7"}, object{"type": "Hostname", "address": nodeName},
	}}}, nil)
}

func TestAPI_RoleOfTheManifestSuffices(t *testing.T) {
	s := startAPIServer(t)
	o := manifest.Default()
	o.PodIdentity = true
	a := s.install(t, o)
	s.makeNode(t)
	ns := s.namespace(t, map[string]string{"role": "of-namespace", "other": "x"})
	s.serviceAccount(t, ns, "web", map[string]string{"role": "of-account"})
	s.running(t, ns, "one", "10.244.0.2", podSpec{serviceAccount: "web", annotations: map[string]string{"role": "of-pod", "other": "x"}})
	s.running(t, ns, "host", "10.0.0.7", podSpec{hostNetwork: true})
	l, log := a.follow(t)
	p := at(t, l, "10.244.0.2", "one")
	testutil.EventuallyWithin(t, 20*time.Second, "all annotations", func() bool {
		p = at(t, l, "10.244.0.2", "one")
		return p.Annotations["role"] == "of-pod" && p.AccountAnnotations["role"] == "of-account" && p.NamespaceAnnotations["role"] == "of-namespace"
	})
	if p.Annotations["other"] != "" || p.NamespaceAnnotations["other"] != "" || p.ServiceAccount != "web" {
		t.Errorf("%+v", p)
	}
	if _, err := l.Locate(t.Context(), netip.MustParseAddr("10.0.0.7")); err == nil {
		t.Error("the address of the node is a pod's")
	}
	ca, _ := os.ReadFile(s.authority)
	api := kube.NewConfig(s.api.url, ca, a.tokenFile)
	node, err := kube.ReadNode(t.Context(), api, nodeName)
	if err != nil || node.Zone != "eu-west-3a" || len(node.Cluster) != 8 || len(node.Addresses) != 1 || len(node.PodCIDRs) != 1 {
		t.Errorf("%+v, %v", node, err)
	}
	l.Refuse(&caller.Workload{Name: p.String(), Pod: p}, "the role is denied")
	testutil.EventuallyWithin(t, 20*time.Second, "the Event", func() bool { return strings.Contains(s.events(t, ns), "the role is denied") })
	if st := l.Status(); st.LastError != "" || !st.Synced || st.Pods != 2 {
		t.Errorf("%+v\n%s", st, log)
	}
	if _, err := kube.ReadDaemonSet(t.Context(), api, a.namespace, manifest.Name); err == nil || !strings.Contains(err.Error(), "forbidden") {
		t.Errorf("the daemon may read DaemonSets: %v", err)
	}
	admin := kube.NewConfig(s.api.url, ca, testutil.WriteTemp(t, "admin", s.api.token))
	if d, err := kube.ReadDaemonSet(t.Context(), admin, a.namespace, manifest.Name); err != nil || d.Observed || d.Complete() {
		t.Errorf("%+v, %v", d, err)
	}
	for _, path := range []string{"/api/v1/secrets", "/api/v1/configmaps", "/api/v1/namespaces/" + ns + "/pods/one", "/api/v1/nodes"} {
		status, err := s.api.as(s.token(t, a)).try(t.Context(), http.MethodGet, path, nil, nil)
		if err != nil || status != http.StatusForbidden {
			t.Errorf("%s: %d, %v", path, status, err)
		}
	}
}

func (*apiServer) token(t *testing.T, a *daemonAccount) string {
	t.Helper()
	text, err := os.ReadFile(a.tokenFile)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// events are the messages of the Events of a namespace.
func (s *apiServer) events(t *testing.T, namespace string) string {
	t.Helper()
	var list struct{ Items []struct{ Message string } }
	s.api.do(t, http.MethodGet, "/api/v1/namespaces/"+namespace+"/events", nil, &list)
	var all []string
	for _, e := range list.Items {
		all = append(all, e.Message)
	}
	return strings.Join(all, "\n")
}

// Each rule of the ClusterRole is needed: without it something says what is missing.
func TestAPI_EachRuleOfTheManifestIsNeeded(t *testing.T) {
	s := startAPIServer(t)
	a := s.install(t, manifest.Default())
	s.makeNode(t)
	ns := s.namespace(t, nil)
	s.running(t, ns, "one", "10.244.0.2", podSpec{})
	role := collections["ClusterRole"] + "/" + manifest.Name
	var whole struct{ Rules []json.RawMessage }
	s.api.do(t, http.MethodGet, role, nil, &whole)
	ca, _ := os.ReadFile(s.authority)
	api := kube.NewConfig(s.api.url, ca, a.tokenFile)
	for i, rule := range whole.Rules {
		t.Run(string(rule), func(t *testing.T) {
			s.api.do(t, http.MethodPatch, role, object{"rules": slices.Delete(slices.Clone(whole.Rules), i, i+1)}, nil)
			var l *kube.Locator
			var log *testutil.Buffer
			said := func() string {
				_, err := kube.ReadNode(t.Context(), api, nodeName)
				text := l.Status().LastError + "\n" + log.String()
				if err != nil {
					text += "\n" + err.Error()
				}
				return text
			}
			l, log = a.follow(t)
			if w, err := l.Locate(t.Context(), netip.MustParseAddr("10.244.0.2")); err == nil {
				l.Refuse(w, "the role is denied, rule "+string(rule))
			}
			testutil.EventuallyWithin(t, 30*time.Second, "what is missing is told", func() bool { return strings.Contains(said(), "forbidden") })
			t.Log(strings.TrimSpace(said()))
		})
	}
	s.api.do(t, http.MethodPatch, role, object{"rules": whole.Rules}, nil)
	if _, err := kube.ReadNode(t.Context(), api, nodeName); err != nil {
		testutil.EventuallyWithin(t, 10*time.Second, "the rights are back", func() bool {
			_, err := kube.ReadNode(t.Context(), api, nodeName)
			return err == nil
		})
	}
}

// While the watch is cut, a pod goes, another takes its address, and etcd forgets both events.
func TestAPI_NothingIsLostOverACompaction(t *testing.T) {
	s := startAPIServer(t, "--watch-cache=false")
	a := s.install(t, manifest.Default())
	ns := s.namespace(t, nil)
	for i, name := range []string{"stays", "goes"} {
		s.running(t, ns, name, []string{"10.244.0.2", "10.244.0.3"}[i], podSpec{})
	}
	l, _ := a.follow(t)
	at(t, l, "10.244.0.3", "goes")
	s.restart(t)
	s.api.do(t, http.MethodDelete, "/api/v1/namespaces/"+ns+"/pods/goes?gracePeriodSeconds=0", nil, nil)
	s.running(t, ns, "next", "10.244.0.3", podSpec{})
	s.compact(t)
	s.restart(t)
	at(t, l, "10.244.0.3", "next")
	at(t, l, "10.244.0.2", "stays")
	if n := l.Status().Pods; n != 2 {
		t.Errorf("%d pods", n)
	}
}

func TestAPI_RotatedTokenIsUsed(t *testing.T) {
	s := startAPIServer(t)
	a := s.install(t, manifest.Default())
	ns := s.namespace(t, nil)
	s.running(t, ns, "one", "10.244.0.2", podSpec{})
	l, _ := a.follow(t)
	at(t, l, "10.244.0.2", "one")
	path := "/api/v1/namespaces/" + a.namespace + "/serviceaccounts"
	s.api.do(t, http.MethodDelete, path+"/"+manifest.Name, nil, nil) // the old token is void from now on
	s.api.do(t, http.MethodPost, path, object{"metadata": object{"name": manifest.Name}}, nil)
	a.newToken(t)
	s.restart(t)
	s.running(t, ns, "two", "10.244.0.3", podSpec{})
	at(t, l, "10.244.0.3", "two")
}
