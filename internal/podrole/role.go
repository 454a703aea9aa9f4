package podrole

import (
	"strings"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/instance"
)

// role is a role that was found for a name.
type role struct {
	entry       string // key of roles; "" for others
	arn         string // "" for a profile's own credentials
	credentials config.Credentials
	from        string
}

const (
	notARN  = "which is not the ARN of a role; write arn:aws:iam::ACCOUNT:role/NAME"
	mostARN = 2048 // STS API reference, AssumeRole
)

// decide makes the decision for a subject and the role that is named for it.
func (r *Rules) decide(s subject, n named) Decision {
	d := Decision{Source: n.source}
	switch n.role {
	case "":
		return Decision{}
	case config.NoRole:
		return d
	}
	found, wrong := r.find(n)
	if wrong != "" {
		d.Name, d.Denied = SafeName(n.role), n.source+" names the role "+quote(n.role)+", "+wrong
		return d
	}
	d.Name, d.ARN, d.From = instance.RoleOf(&config.Instance{Credentials: found.credentials}), found.arn, found.from
	if n.annotated {
		if d.Denied = r.refuse(s, n, &found); d.Denied != "" {
			return d
		}
	}
	if d.Denied = r.fill(s, &found.credentials); d.Denied != "" {
		return d
	}
	d.Session = r.session(s, found.arn != "")
	d.Credentials = &found.credentials
	return d
}

// find finds the role of a name: an entry of roles, an ARN, or a role behind the base ARN. Rules can also name the profile's own
// credentials. wrong follows the name in a message.
func (r *Rules) find(n named) (found role, wrong string) {
	if !n.annotated && n.role == config.OwnRole {
		return role{credentials: own(r.config.Credentials), from: "kubernetes"}, ""
	}
	if entry, ok := r.config.Roles[n.role]; ok {
		return role{entry: n.role, arn: entry.IAMRole, credentials: entry, from: "roles." + n.role}, ""
	}
	arn := n.role
	if strings.HasPrefix(arn, "arn:") {
		if !config.IsRoleARN(arn) {
			return role{}, notARN
		}
	} else {
		name := strings.TrimPrefix(arn, "/") // as kiam has it
		switch {
		case !config.IsRoleName(name):
			return role{}, "which is neither a name of roles, NAME or PATH/NAME of a role in IAM, nor an ARN; correct it"
		case r.base == "":
			return role{}, "which is no name of roles, and nothing tells its account; set kubernetes.base_role_arn, or write the ARN"
		}
		if arn = r.base + name; len(arn) > mostARN {
			return role{}, notARN
		}
	}
	found = role{arn: arn, credentials: r.config.Credentials, from: "kubernetes"}
	found.credentials.IAMRole = arn
	return found, ""
}

// own are the credentials of the profile itself: without a role, and without what only a role takes.
func own(c config.Credentials) config.Credentials {
	c.IAMRole, c.SessionName, c.SourceIdentity, c.ExternalID = "", "", "", ""
	c.SessionTags, c.TransitiveTagKeys = nil, nil
	c.Policy, c.PolicyARNs = "", nil
	return c
}

// refuse says why a pod may not have the role that an annotation names; "" if it may.
func (r *Rules) refuse(s subject, n named, found *role) string {
	names := n.source + " names the role " + quote(n.role) + ", "
	if s.namespace == nil || !s.namespace.allows(r, found) {
		return names + "which kubernetes.rules.namespaces does not allow for the namespace " + s.pod.Namespace + "; add it to allow"
	}
	if !r.config.Kubernetes.Rules.NamespaceAnnotations {
		return ""
	}
	list := r.config.Kubernetes.Annotations.AllowedRoles
	value, source, ok := ofNamespace(s.pod, list)
	if !ok {
		if len(list) == 0 {
			return names + "and kubernetes.annotations.allowed_roles has no annotation that could allow it; add one"
		}
		return names + "and the namespace " + s.pod.Namespace + " has no annotation that allows it; add " + list[0]
	}
	allowed, wrong := r.permits(source, value, found)
	switch {
	case wrong != "":
		return names + "and " + source + " " + wrong
	case !allowed:
		return names + "which " + source + " does not allow; add it there"
	}
	return ""
}

// SafeName makes the name under which the metadata lists a role that is denied: one that a path can hold, of at most 64 characters.
func SafeName(role string) string {
	name := strings.Map(func(c rune) rune {
		if config.SessionNameText(c) { // IAM has the same characters in names of roles
			return c
		}
		return '-'
	}, instance.RoleName(role))
	name = name[:min(len(name), 64)]
	if strings.Trim(name, ".") == "" {
		return "denied"
	}
	return name
}
