// Package podrole decides which role a pod gets, by kubernetes.rules and the annotations of the pod, its ServiceAccount and its
// namespace (kubernetes.md sections 5.4 and 6.3). It is pure: the daemon in the cluster, the laptop that gives it credentials and the
// command check decide alike.
package podrole

import (
	"slices"
	"strconv"
	"strings"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
)

// Rules are the rules of one configuration, compiled. They never change, and may be used concurrently.
type Rules struct {
	config *config.Config
	// base is what stands before roles without an ARN, and account is base up to its "role/"; both are "" if they are not known.
	base, account string
	exact         map[string]*namespaceRule
	patterns      []*namespaceRule // most specific first
	name          *template        // of session names; nil without
	tags          tags
}

// Decision is what a pod, or the node itself, gets.
type Decision struct {
	// Name is the role as the metadata lists it; "" for none. It is safe in a path.
	Name string
	// ARN is the role's; "" for none, for a profile's own credentials, and for a role that cannot be told.
	ARN string
	// Credentials are all inputs of the call, with external id, session name and tags of the pod; nil for none, and if Denied. The
	// caller owns them, but not their maps and lists.
	Credentials *config.Credentials
	// From is the entry of the configuration that the credentials stand in, as credentials.Spec.Entry has it: roles.NAME or kubernetes.
	From string
	// Source says where the role is named, such as "annotation iam.amazonaws.com/role of the pod" or "kubernetes.rules.default_role".
	Source string
	// Denied is why the pod does not get the role's credentials, with the fix; "" if it does. It holds no external id.
	Denied string
	// Session tells sessions of equal inputs apart, by kubernetes.session.scope; "" for scope role.
	Session string
}

// named is a role that somebody names.
type named struct {
	role, source string
	annotated    bool // by an annotation, so that the namespace's rule must allow it
}

// New compiles the rules of a valid configuration. Rules without an account for names, see Config.Kubernetes.BaseRoleARN, allow only
// ARNs and entries of roles.
func New(c *config.Config) *Rules {
	r := &Rules{config: c, base: c.Kubernetes.BaseRoleARN, exact: map[string]*namespaceRule{}}
	if at := strings.Index(r.base, ":role/"); at >= 0 {
		r.account = r.base[:at+len(":role/")]
	}
	for key, rule := range c.Kubernetes.Rules.Namespaces {
		r.add(newNamespaceRule(key, rule))
	}
	slices.SortFunc(r.patterns, compareSpecific)
	if text := c.Kubernetes.Session.Name; text != "" {
		r.name = newTemplate(text)
	}
	r.tags = newTags(c)
	return r
}

// Annotations are the names of the annotations that the rules read, of pods, of ServiceAccounts and of namespaces, sorted. Those that
// say what a namespace allows are read of namespaces alone.
func (r *Rules) Annotations() []string {
	a := &r.config.Kubernetes.Annotations
	all := slices.Concat(a.Role, a.ExternalID, a.SessionName)
	if r.config.Kubernetes.Rules.NamespaceAnnotations {
		all = append(all, a.AllowedRoles...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// Deciding returns a pod with those annotations alone by which Pod decides: a laptop that decides anew needs no others. Pods share what
// they get, so a long annotation of one that decides nothing must not spoil the question for all.
func (r *Rules) Deciding(p *caller.Pod) caller.Pod {
	only := *p
	only.Annotations, only.AccountAnnotations, only.NamespaceAnnotations = nil, nil, nil
	a := &r.config.Kubernetes.Annotations
	for _, names := range [][]string{a.Role, a.ExternalID, a.SessionName} {
		of := []map[string]string{p.Annotations, p.AccountAnnotations, p.NamespaceAnnotations}
		to := []*map[string]string{&only.Annotations, &only.AccountAnnotations, &only.NamespaceAnnotations}
		for i := range of {
			if keepFirst(to[i], of[i], names) {
				break
			}
		}
	}
	if r.config.Kubernetes.Rules.NamespaceAnnotations {
		keepFirst(&only.NamespaceAnnotations, p.NamespaceAnnotations, a.AllowedRoles)
	}
	return only
}

// keepFirst keeps the first of some annotations that is not empty. It reports whether there is one.
func keepFirst(kept *map[string]string, all map[string]string, names []string) bool {
	for _, name := range names {
		if value := strings.TrimSpace(all[name]); value != "" {
			if *kept == nil {
				*kept = map[string]string{}
			}
			(*kept)[name] = value
			return true
		}
	}
	return false
}

// Pod decides for a pod that is known by its address. The first of these counts that names a role: an annotation, an entry of
// service_accounts, the default_role of the namespace's rule, and that of all rules.
func (r *Rules) Pod(node string, p *caller.Pod) Decision {
	ns := r.namespace(p.Namespace)
	n, ok := named{annotated: true}, false
	if n.role, n.source, ok = annotation(p, r.config.Kubernetes.Annotations.Role); !ok {
		n = r.given(p, ns)
	}
	return r.decide(subject{node: node, pod: p, namespace: ns, annotations: true}, n)
}

// Host decides for processes of the node, and pods of its network.
func (r *Rules) Host(node string) Decision {
	n := named{role: r.config.Kubernetes.Rules.HostNetwork, source: "kubernetes.rules.host_network"}
	return r.decide(subject{node: node, pod: &caller.Pod{}}, n)
}

// Account decides for a service account by kubernetes.rules.service_accounts alone, as an association of EKS Pod Identity does. It
// reads no annotation.
func (r *Rules) Account(node string, p *caller.Pod) Decision {
	n := named{}
	if role, source, ok := r.ofAccount(p); ok {
		n = named{role: role, source: source}
	}
	return r.decide(subject{node: node, pod: p, namespace: r.namespace(p.Namespace)}, n)
}

// given is the role that the rules give a pod without an annotation.
func (r *Rules) given(p *caller.Pod, ns *namespaceRule) named {
	rules := &r.config.Kubernetes.Rules
	if role, source, ok := r.ofAccount(p); ok {
		return named{role: role, source: source}
	}
	if ns != nil && ns.rule.DefaultRole != "" {
		return named{role: ns.rule.DefaultRole, source: ns.path() + ".default_role"}
	}
	return named{role: rules.DefaultRole, source: "kubernetes.rules.default_role"}
}

// ofAccount is the role of a pod's service account.
func (r *Rules) ofAccount(p *caller.Pod) (role, source string, ok bool) {
	accounts := r.config.Kubernetes.Rules.ServiceAccounts
	if len(accounts) == 0 {
		return "", "", false
	}
	account := p.Namespace + "/" + p.ServiceAccount
	if role = accounts[account]; role == "" {
		return "", "", false
	}
	return role, "kubernetes.rules.service_accounts." + account, true
}

// annotation returns the first of some annotations that a pod has, and where it stands: on the pod, then on its ServiceAccount, then on
// its namespace. Empty values are none.
func annotation(p *caller.Pod, names []string) (value, source string, ok bool) {
	for _, name := range names {
		if value = strings.TrimSpace(p.Annotations[name]); value != "" {
			return value, "annotation " + name + " of the pod", true
		}
	}
	for _, name := range names {
		if value = strings.TrimSpace(p.AccountAnnotations[name]); value != "" {
			return value, "annotation " + name + " of the service account " + p.Namespace + "/" + p.ServiceAccount, true
		}
	}
	return ofNamespace(p, names)
}

// ofNamespace is annotation for those of the namespace alone.
func ofNamespace(p *caller.Pod, names []string) (value, source string, ok bool) {
	for _, name := range names {
		if value = strings.TrimSpace(p.NamespaceAnnotations[name]); value != "" {
			return value, "annotation " + name + " of the namespace " + p.Namespace, true
		}
	}
	return "", "", false
}

// quote quotes what somebody wrote, at most so much of it that a message stays readable.
func quote(text string) string {
	const most = 200
	if len(text) > most {
		text = strings.ToValidUTF8(text[:most], "") + "..."
	}
	return strconv.Quote(text)
}
