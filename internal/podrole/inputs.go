package podrole

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"mock-ec2-metadata/internal/caller"
	"mock-ec2-metadata/internal/config"
)

// Limits of STS, in characters (STS API reference, AssumeRole).
const (
	leastSessionName = 2
	mostSessionName  = 64
	mostTagValue     = 256
)

// subject is whom a decision is for.
type subject struct {
	node        string
	pod         *caller.Pod    // with nothing in it for the node itself
	namespace   *namespaceRule // nil without
	annotations bool           // they are read
}

// fill adds the subject's external id, session name and tags to the credentials of a role. denied says which annotation is malformed.
func (r *Rules) fill(s subject, c *config.Credentials) (denied string) {
	if c.IAMRole == "" {
		return "" // only a role takes them
	}
	if s.namespace != nil && s.namespace.rule.ExternalID != "" {
		c.ExternalID = s.namespace.rule.ExternalID
	}
	if r.name != nil {
		c.SessionName = cmp.Or(r.sessionName(s), c.SessionName)
	}
	if s.annotations {
		names := &r.config.Kubernetes.Annotations
		if value, source, ok := annotation(s.pod, names.ExternalID); ok {
			if wrong := config.WrongExternalID(value); wrong != "" {
				return source + ": " + wrong
			}
			if strings.HasPrefix(value, config.KeptExternalID) {
				return source + ": it stands for an external id that the laptop keeps; write the external id itself"
			}
			c.ExternalID = config.Secret(value)
		}
		if value, source, ok := annotation(s.pod, names.SessionName); ok {
			if wrong := config.WrongSessionName(value); wrong != "" {
				return source + ": " + wrong
			}
			c.SessionName = value
		}
	}
	r.tags.add(r, s, c)
	return ""
}

// session says what the session is for, by kubernetes.session.scope. Tags are those of one pod.
func (r *Rules) session(s subject, isRole bool) string {
	scope := r.config.Kubernetes.Session.Scope
	if isRole && r.config.Kubernetes.Session.Tags.Any() {
		scope = config.ScopePod
	}
	switch p := s.pod; {
	case scope == config.ScopeRole || scope == "":
		return ""
	case p.Namespace == "":
		return "host"
	case scope == config.ScopeServiceAccount:
		return p.Namespace + "/" + p.ServiceAccount
	default:
		return cmp.Or(p.UID, p.Namespace+"/"+p.Name)
	}
}

// template is a template of kubernetes.session, split.
type template struct{ texts, names []string }

func newTemplate(text string) *template {
	texts, names, _ := config.SplitTemplate(text) // the configuration is valid
	return &template{texts, names}
}

// expand puts a subject's values into a template.
func (t *template) expand(r *Rules, s subject) string {
	if len(t.names) == 0 {
		return t.texts[0]
	}
	var b strings.Builder
	for i, name := range t.names {
		b.WriteString(t.texts[i])
		b.WriteString(r.value(s, name))
	}
	b.WriteString(t.texts[len(t.names)])
	return b.String()
}

// value is the value of a placeholder, see config.Placeholders.
func (r *Rules) value(s subject, name string) string {
	switch name {
	case "cluster":
		return r.tags.cluster
	case "node":
		return s.node
	case "namespace":
		return s.pod.Namespace
	case "service_account":
		return s.pod.ServiceAccount
	case "pod":
		return s.pod.Name
	default:
		return ""
	}
}

// sessionName is the subject's session name; "" if nothing of the template has a value, as for the node itself.
func (r *Rules) sessionName(s subject) string {
	name := clean(r.name.expand(r, s), mostSessionName, config.SessionNameText)
	switch {
	case strings.Trim(name, "-_+=,.@") == "":
		return ""
	case len(name) < leastSessionName:
		return name + "-"
	}
	return name
}

// tags are the session tags of pods, compiled.
type tags struct {
	cluster    string
	keys       []string
	values     []*template // nil for EKS's
	clusterARN string      // for EKS's
	transitive bool
}

func newTags(c *config.Config) tags {
	k := &c.Kubernetes
	eks := *c
	eks.PodIdentity.ClusterName = cmp.Or(k.ClusterName, c.PodIdentity.ClusterName)
	t := tags{cluster: eks.PodIdentity.ClusterName, clusterARN: eks.EKSClusterARN()}
	switch {
	case k.Session.Tags.EKS:
		t.keys, t.transitive = config.PodTagKeys(), true
	default:
		t.keys = slices.Sorted(maps.Keys(k.Session.Tags.Templates))
		for _, key := range t.keys {
			t.values = append(t.values, newTemplate(k.Session.Tags.Templates[key]))
		}
	}
	return t
}

// add adds the tags of a subject to those of a role, which stay as they are.
func (t *tags) add(r *Rules, s subject, c *config.Credentials) {
	if len(t.keys) == 0 {
		return
	}
	all := make(map[string]string, len(c.SessionTags)+len(t.keys))
	maps.Copy(all, c.SessionTags)
	if t.values == nil {
		for i, value := range [...]string{t.clusterARN, t.cluster, s.pod.Namespace, s.pod.ServiceAccount, s.pod.Name, s.pod.UID} {
			all[t.keys[i]] = clean(value, mostTagValue, config.TagValueText)
		}
	}
	for i, value := range t.values {
		all[t.keys[i]] = clean(value.expand(r, s), mostTagValue, config.TagValueText)
	}
	c.SessionTags = all
	if t.transitive {
		c.TransitiveTagKeys = slices.Concat(c.TransitiveTagKeys, t.keys)
	}
}

// clean replaces the characters that a text cannot have by -, and cuts it to so many.
func clean(text string, most int, has func(rune) bool) string {
	if strings.IndexFunc(text, func(c rune) bool { return !has(c) }) >= 0 {
		text = strings.Map(func(c rune) rune {
			if has(c) {
				return c
			}
			return '-'
		}, text)
	}
	if len(text) <= most || utf8.RuneCountInString(text) <= most {
		return text
	}
	return string([]rune(text)[:most])
}
