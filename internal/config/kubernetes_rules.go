package config

import (
	"slices"
	"strings"
	"time"
)

const (
	findPath = "kubernetes.pods.find"
	waitPath = "kubernetes.pods.wait"
	idlePath = "kubernetes.session.idle"
	tagsPath = "kubernetes.session.tags"

	// Limits of kubernetes.pods.wait and kubernetes.session.idle.
	mostWait  = 10 * time.Second
	leastIdle = time.Minute
	mostIdle  = 12 * time.Hour
)

// validateKubernetes applies the rules that compare values of kubernetes.
func (l *loader) validateKubernetes() {
	k := &l.config.Kubernetes
	if d := k.Pods.Wait; !l.scope.broken[waitPath] && (d < 0 || d > mostWait) {
		l.wrong(waitPath, "%s is not from 0s to 10s", shortDuration(d))
	}
	if d := k.Session.Idle; !l.scope.broken[idlePath] && (d < leastIdle || d > mostIdle) {
		l.wrong(idlePath, "%s is not from 1m to 12h", shortDuration(d))
	}
	l.validateFind(k.Pods.Find)
	l.validateAnnotations(&k.Annotations)
	l.validatePodTags(k.Session.Tags)
	if scope := "kubernetes.session.scope"; l.isSet(scope) && k.Session.Tags.Any() && k.Session.Scope != ScopePod {
		l.odd(scope, "without effect: %s gives each pod a session of its own", tagsPath)
	}
	if allowed := "kubernetes.annotations.allowed_roles"; k.Enabled && l.isSet(allowed) && !k.Rules.NamespaceAnnotations {
		l.odd(allowed, "without effect: kubernetes.rules.namespace_annotations is false")
	}
}

// validateFind checks the ways to find pods.
func (l *loader) validateFind(find []string) {
	if l.scope.broken[findPath] {
		return
	}
	for i, way := range find {
		if slices.Contains(find[:i], way) {
			l.wrongElement(findPath, i, "%s is there twice; remove one", way)
		}
	}
	if !slices.Contains(find, FindWatch) {
		l.wrong(findPath, "watch is missing, and no pod is known without it; add it")
	}
}

// validateAnnotations requires that each name of an annotation is there once.
func (l *loader) validateAnnotations(a *KubernetesAnnotations) {
	first := map[string]string{} // key of each name
	for _, list := range []struct {
		key   string
		names []string
	}{{"role", a.Role}, {"external_id", a.ExternalID}, {"session_name", a.SessionName}, {"allowed_roles", a.AllowedRoles}} {
		path := "kubernetes.annotations." + list.key
		for i, name := range list.names {
			if other, again := first[name]; again && name != "" {
				l.wrongElement(path, i, "%s is in %s already, and has one meaning; remove one of them", name, other)
				continue
			}
			first[name] = path
		}
	}
}

// validatePodTags requires keys that AWS tells apart.
func (l *loader) validatePodTags(tags PodTags) {
	first := map[string]string{}
	for _, key := range sortedKeys(tags.Templates) {
		folded := strings.ToLower(key)
		if other := first[folded]; other != "" {
			l.wrong(join(tagsPath, key), "%s is there too, and AWS does not tell them apart; remove one of them", other)
		}
		if strings.HasPrefix(folded, "aws:") {
			l.wrong(join(tagsPath, key), "starts with aws:, which AWS keeps for itself; choose another key")
		}
		first[folded] = key
	}
}

// validatePodRoles applies the rules of kubernetes that compare it with roles, clients and containers.
func (l *loader) validatePodRoles() {
	k := &l.config.Kubernetes
	rules := &k.Rules
	l.checkPodRole("kubernetes.rules.default_role", rules.DefaultRole)
	l.checkPodRole("kubernetes.rules.host_network", rules.HostNetwork)
	for _, account := range sortedKeys(rules.ServiceAccounts) {
		l.checkPodRole(join("kubernetes.rules.service_accounts", account), rules.ServiceAccounts[account])
	}
	for _, pattern := range sortedKeys(rules.Namespaces) {
		l.checkPodRole(join("kubernetes.rules.namespaces", pattern)+".default_role", rules.Namespaces[pattern].DefaultRole)
	}
	l.checkTagsOfRoles()
	if !k.Enabled {
		return
	}
	const enabled = "kubernetes.enabled"
	if len(l.config.Clients) > 0 {
		l.wrong(enabled, "clients is set too, and only one of them can say who gets which role; remove clients, or set %s to false", enabled)
	}
	if l.config.Containers.Engine != "" {
		l.wrong(enabled, "containers.engine is set too, and only one of them can say who gets which role; remove containers.engine, or set %s to false", enabled)
	}
	l.warnOfAllow()
	if !rules.givesAny() {
		l.odd(enabled, "no pod gets a role: set kubernetes.rules.default_role, service_accounts, or allow of namespaces")
	}
}

// checkPodRole checks a role that kubernetes.rules gives; "" is none.
func (l *loader) checkPodRole(key, role string) {
	c := l.config
	_, isEntry := c.Roles[role]
	if role == "" || role == NoRole || l.scope.broken[key] {
		return
	}
	switch {
	case role == OwnRole && isEntry:
		l.wrong(key, "own is the profile's own credentials, and an entry of roles has that name too; rename the entry")
	case role == OwnRole && c.Credentials.SourceProfile == "":
		l.wrong(key, "own is the credentials of the profile itself, and %s is not set; set it, or name a role", profilePath)
	case role == OwnRole:
		if wrong := ownName(c.Credentials.SourceProfile); wrong != "" {
			l.wrong(key, "own is the profile of %s, but %s", profilePath, strings.Replace(wrong, "or set credentials.iam_role", "or name a role", 1))
		}
	case !isEntry && !strings.HasPrefix(role, "arn:") && c.Kubernetes.Enabled && c.Kubernetes.BaseRoleARN == "":
		l.wrong(key, "%s is neither a name of roles nor an ARN, and "+NoAccount+"; set %s or %s", quote(role), baseRolePath, accountPath)
	}
}

// checkTagsOfRoles requires that the tags of pods and those of any role are together ones that STS takes. Pods can name any role.
func (l *loader) checkTagsOfRoles() {
	keys := l.config.Kubernetes.Session.Tags.keys()
	if !l.config.Kubernetes.Session.Tags.Any() || l.scope.broken[tagsPath] {
		return
	}
	if len(keys) > mostSessionTags {
		l.wrong(tagsPath, "%d tags; STS takes at most %d", len(keys), mostSessionTags)
		return
	}
	l.checkTagsBeside("credentials", l.config.Credentials.SessionTags, keys)
	for _, name := range sortedKeys(l.config.Roles) {
		if l.roleScopes[name].origins.hasBelow("credentials.session_tags") {
			l.checkTagsBeside("roles."+name, l.config.Roles[name].SessionTags, keys)
		}
	}
}

// checkTagsBeside checks the session_tags at a place, of which each may also be a key of the pods' tags.
func (l *loader) checkTagsBeside(place string, tags map[string]string, keys []string) {
	together := len(tags) + len(keys)
	for _, key := range sortedKeys(tags) {
		if slices.ContainsFunc(keys, func(k string) bool { return strings.EqualFold(k, key) }) {
			l.wrong(tagsPath, "%s.session_tags has %s, too; remove it in one of them", place, key)
			together--
		}
	}
	if together > mostSessionTags {
		l.wrong(tagsPath, "%s.session_tags has %d tags; with these %d they are more than the %d that STS takes", place, len(tags), len(keys), mostSessionTags)
	}
}

// warnOfAllow warns of the first pattern that matches no role, since nothing tells the account of names.
func (l *loader) warnOfAllow() {
	k := &l.config.Kubernetes
	if k.BaseRoleARN != "" || l.scope.broken[baseRolePath] {
		return
	}
	for _, namespace := range sortedKeys(k.Rules.Namespaces) {
		for i, pattern := range k.Rules.Namespaces[namespace].Allow {
			if _, isEntry := l.config.Roles[pattern]; isEntry || strings.HasPrefix(pattern, "arn:") {
				continue
			}
			path := join("kubernetes.rules.namespaces", namespace) + ".allow"
			l.warnings.add(l.scope.where(element(path, i)), path, "%s allows only entries of roles: nothing tells the account of other roles; set %s or %s", quote(pattern), baseRolePath, accountPath)
			return
		}
	}
}

// NoAccount is in the error of Load if a rule names a role whose account the configuration does not tell.
const NoAccount = "nothing tells its account"

// givesAny reports whether any client can get a role.
func (r *KubernetesRules) givesAny() bool {
	given := func(role string) bool { return role != "" && role != NoRole }
	if given(r.DefaultRole) || given(r.HostNetwork) || len(r.ServiceAccounts) > 0 {
		return true
	}
	for _, n := range r.Namespaces {
		if given(n.DefaultRole) || len(n.Allow) > 0 {
			return true
		}
	}
	return false
}
