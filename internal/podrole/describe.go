package podrole

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
)

// mostLines is how many namespaces and service accounts are described, and mostNames how many names in a list.
const (
	mostLines = 200
	mostNames = 20
)

// Describe says in words which pods get which role: namespaces, the most specific first, service accounts, all other pods, and the
// node itself. It returns nil without kubernetes.enabled. No line holds an external id.
func Describe(l *config.Loaded) []string {
	c := l.Config
	if !c.Kubernetes.Enabled {
		return nil
	}
	r, rules := New(c), &c.Kubernetes.Rules
	var lines []string
	for _, account := range slices.Sorted(maps.Keys(rules.ServiceAccounts)) {
		d := r.Account("", podOf(account))
		lines = append(lines, "pods of the service account "+account+", without an annotation: "+d.String())
	}
	lines = shorten(lines, "service accounts")
	var namespaces []string
	for _, n := range r.ordered() {
		of := "pods of the namespace " + n.key
		if n.isPattern() {
			of = "pods of namespaces like " + n.key
		}
		namespaces = append(namespaces, of+": "+n.may()+"; without an annotation "+r.usually(n))
	}
	lines = append(lines, shorten(namespaces, "namespaces")...)
	if !slices.ContainsFunc(r.patterns, func(n *namespaceRule) bool { return n.key == "*" }) {
		lines = append(lines, "pods of other namespaces: may name no role in annotations; without one "+r.usually(nil))
	}
	if rules.NamespaceAnnotations {
		lines = append(lines, "an annotation of the namespace must allow the role, too: "+names(c.Kubernetes.Annotations.AllowedRoles))
	}
	lines = append(lines, "pods with hostNetwork, and the node's own processes: "+r.Host("").String())
	return append(lines, describeSessions(&c.Kubernetes.Session))
}

// String says what the decision is.
func (d Decision) String() string {
	switch {
	case d.Denied != "":
		return "denied: " + d.Denied
	case d.Name == "":
		return "no role"
	case d.ARN == "":
		return "the own credentials of the profile " + d.Name
	default:
		return "role " + d.Name + " (" + d.ARN + ")"
	}
}

// podOf makes a pod of a service account, given as namespace/name.
func podOf(account string) *caller.Pod {
	namespace, name, _ := strings.Cut(account, "/")
	return &caller.Pod{Namespace: namespace, ServiceAccount: name}
}

// ordered returns the rules of namespaces: names, then patterns, the most specific first.
func (r *Rules) ordered() []*namespaceRule {
	var all []*namespaceRule
	for _, key := range slices.Sorted(maps.Keys(r.exact)) {
		all = append(all, r.exact[key])
	}
	return append(all, r.patterns...)
}

// may says what pods of a namespace may name.
func (n *namespaceRule) may() string {
	if len(n.rule.Allow) == 0 {
		return "may name no role in annotations"
	}
	return "may name " + names(n.rule.Allow) + " in annotations"
}

// usually says what pods of a namespace get by default.
func (r *Rules) usually(n *namespaceRule) string {
	d := r.decide(subject{pod: &caller.Pod{}, namespace: n}, r.given(&caller.Pod{}, n))
	return d.String()
}

// describeSessions says what has a session of its own.
func describeSessions(s *config.KubernetesSession) string {
	if s.Tags.Any() {
		keys := config.PodTagKeys()
		if !s.Tags.EKS {
			keys = slices.Sorted(maps.Keys(s.Tags.Templates))
		}
		return "sessions: one for each pod, with the tags " + names(keys)
	}
	each := map[string]string{config.ScopePod: "pod", config.ScopeServiceAccount: "service account"}[s.Scope]
	if each == "" {
		return "sessions: pods of one role share one, unless an external id or a session name differs"
	}
	return "sessions: one for each " + each
}

// DescribePods says of each pod of a manifest which role it would get and why, a line each. The manifest is as ParsePods takes it.
func DescribePods(l *config.Loaded, manifest []byte) ([]string, error) {
	pods, err := ParsePods(manifest)
	if err != nil {
		return nil, err
	}
	r := New(l.Config)
	lines := make([]string, 0, len(pods))
	for i := range pods {
		p := &pods[i]
		d := r.Pod(l.Config.Kubernetes.Node, &p.Pod)
		if p.HostNetwork {
			d = r.Host(l.Config.Kubernetes.Node)
		}
		lines = append(lines, p.String()+": "+d.because())
	}
	return lines, nil
}

// because says what the decision is and why.
func (d Decision) because() string {
	switch {
	case d.Denied != "":
		return "lists " + d.Name + ", and is " + d.String()
	case d.Source != "":
		return d.String() + ", by " + d.Source
	default:
		return d.String() + ", since neither an annotation nor kubernetes.rules names one"
	}
}

// shorten keeps the first lines of many.
func shorten(lines []string, what string) []string {
	if more := len(lines) - mostLines; more > 0 {
		return append(lines[:mostLines:mostLines], fmt.Sprintf("and %d more %s", more, what))
	}
	return lines
}

// names lists names, of many the first.
func names(all []string) string {
	if more := len(all) - mostNames; more > 0 {
		return strings.Join(all[:mostNames], ", ") + fmt.Sprintf(" and %d more", more)
	}
	return strings.Join(all, ", ")
}
