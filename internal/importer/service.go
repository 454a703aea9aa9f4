package importer

import (
	"maps"
	"strings"
)

// Service is what a running metadata service has answered.
type Service struct {
	// Leaves are its values by path below the version, such as "meta-data/ami-id".
	Leaves map[string]string
	// KeyNames are the names of the key pairs by their numbers, of the listing public-keys/.
	KeyNames map[int]string
	// Role is the first name in the listing iam/security-credentials/; "" without a profile.
	Role string
	// Lost says why the service has no value at paths that a listing has.
	Lost map[string]string
	// UserData is nil if the service has none. It is asked for with Options.UserData alone.
	UserData []byte
}

// Wanted reports whether an import asks for a path below the version, a directory with a slash at its end. What may hold secrets or
// signatures is not even asked for, but for the listing with the name of the role.
func Wanted(path string) bool {
	if path == rolesDir {
		return true
	}
	return !secretLeaf(strings.TrimSuffix(path, "/")) && !strings.HasPrefix(path, "meta-data/iam/security-credentials")
}

// Read makes an import of what a service has answered. Its instance has each leaf as metadata, too: who prunes the configuration takes
// away those that its keys make already.
func (s *Service) Read(opt Options) *Result {
	in := &Instance{ID: s.Leaves["meta-data/instance-id"]}
	l := leaves(maps.Clone(s.Leaves))
	maps.DeleteFunc(l, func(path, _ string) bool { return !Wanted(path) })
	in.simulated(l)
	in.typed(l, s.KeyNames)
	if doc := objectOf(l[documentLeaf]); doc != nil {
		in.identity(doc, true)
	}
	in.profile(objectOf(l[infoLeaf]), s.Role)
	in.untyped(l)
	for path, why := range s.Lost {
		in.note(Lost, path, "%s", why)
	}
	if opt.UserData {
		in.userData(s.UserData, true)
	} else {
		in.note(Hint, userDataLeaf, "not asked for; --user-data takes it over")
	}
	in.withoutSecrets()
	return &Result{Source: "a metadata service", Instances: []*Instance{in}}
}
