package config

import (
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// NoRole is the role of clients without an instance profile. No role has this name.
const NoRole = "none"

var rolesType = reflect.TypeFor[map[string]Credentials]()

// roleName is the rule for names of roles: what IAM allows, since a role without an ARN is made up under its own name.
var roleName = matches(`[\w+=,.@-]{1,64}`, "a name of a role; it has 1 to 64 of letters, digits and _+=,.@-")

// decodeRoles decodes the entries of roles. Each lays its keys over inherited, the credentials of the file before derive. sound
// says that the file's own keys have no problem; otherwise values are not compared.
func (l *loader) decodeRoles(inherited Credentials, sound bool) {
	n := l.block(l.roles, "roles", rolesType)
	if n == nil || len(n.Content) == 0 {
		return
	}
	l.config.Roles, l.roleScopes = map[string]Credentials{}, map[string]*scope{}
	own := l.config.Credentials
	for e := range l.entries(n, "roles") {
		path := join("roles", e.key)
		switch wrong := roleName(e.key); {
		case e.key == NoRole:
			l.report(e.at, path, "no role can be called %s, which is the word for no role; choose another name", NoRole)
		case wrong != "":
			l.report(e.at, path, "%s", wrong)
		}
		s := &scope{parent: l.scope, at: e.at, path: path, block: "credentials"}
		l.roleScopes[e.key] = s
		l.within(s, func() {
			before := len(l.problems)
			l.config.Credentials = inherited
			if !isEmpty(target(e.value)) {
				l.decode(e.value, reflect.ValueOf(&l.config.Credentials).Elem(), "", "credentials")
			}
			if sound && len(l.problems) == before {
				l.deriveCredentials(e.key)
				l.validateRole()
			}
			l.config.Roles[e.key] = l.config.Credentials
		})
	}
	l.config.Credentials = own
}

// block returns the node of roles or clients if it is of the right kind; else nil, after it has reported that.
func (l *loader) block(n *yaml.Node, path string, t reflect.Type) *yaml.Node {
	if n == nil {
		return nil
	}
	at := l.at(n)
	if n = l.resolve(n, path); n == nil {
		return nil
	}
	if want := wanted[t.Kind()]; n.Kind != want.node {
		name := want.name
		if t == rolesType {
			name = "a block of roles by name"
		}
		l.fail(at, path, "want %s, but this is %s", name, kindName(n))
		return nil
	}
	return n
}

// within decodes in a scope.
func (l *loader) within(s *scope, decode func()) {
	file := l.scope
	l.scope = s
	decode()
	l.scope = file
}

// deriveCredentials derives the credentials' values that no source has set. role is the name of the role that is made up if
// none is configured.
func (l *loader) deriveCredentials(role string) {
	c := &l.config.Credentials
	if !l.isSet(refreshBeforePath) && c.Duration > 0 {
		c.RefreshBefore = min(defaultRefreshBefore, c.Duration/2)
	}
	if c.Mock && c.IAMRole == "" && c.SourceProfile == "" {
		c.IAMRole = mockRole(l.config.AWS, role)
	}
}

const defaultRefreshBefore = 25 * time.Minute

// validateRole checks the credentials of an entry of roles.
func (l *loader) validateRole() {
	l.validateCredentials()
	c := l.config.Credentials
	if c.IAMRole == "" && c.SourceProfile == "" {
		l.problems.add(l.scope.at, l.scope.path, "has neither iam_role nor source_profile, and credentials has none either; set one of them")
		return
	}
	if l.scope.has(rolePath) {
		l.validateRolePlace()
	}
}

// checkRole reports a name that is none of roles.
func (l *loader) checkRole(key, name string) {
	if _, ok := l.config.Roles[name]; ok || l.scope.broken[key] {
		return
	}
	names := slices.Sorted(maps.Keys(l.config.Roles))
	if len(names) == 0 {
		l.wrong(key, "there is no role %s, since roles is empty; add it there", quote(name))
		return
	}
	hint := ""
	near := slices.MinFunc(names, func(a, b string) int { return distance(name, a) - distance(name, b) })
	if distance(name, near) <= max(1, len(name)/3) {
		hint = "did you mean " + near + "? "
	}
	const most = 20
	if len(names) > most {
		names = append(names[:most:most], "...")
	}
	l.wrong(key, "there is no role %s; %sroles has: %s", quote(name), hint, strings.Join(names, ", "))
}
