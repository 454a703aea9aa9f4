package doctor

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/sts"
)

// mostRoles is how many roles are tried: each takes a call of STS, and the walk has a limit.
const mostRoles = 20

// hasRoles reports whether there is anything for examineRoles.
func (d *doctor) hasRoles() bool { return d.loaded != nil && len(d.loaded.Config.Roles) > 0 }

// examineRoles gets the credentials of each entry of roles once, as the daemon would. Failures come first.
func (d *doctor) examineRoles(ctx context.Context) Finding {
	all := slices.Sorted(maps.Keys(d.loaded.Config.Roles))
	opt := sts.Options{Log: d.opt.Log, Now: d.opt.Now}.WithDefaults() // one for all: they share sessions
	lines := map[Mark][]string{}
	tried := map[[32]byte]Finding{} // by Spec.Key
	for _, role := range all[:min(len(all), mostRoles)] {
		spec := app.SpecOfRole(d.loaded, role)
		f, ok := tried[spec.Key()]
		if !ok {
			f = tryRole(ctx, spec, opt)
			tried[spec.Key()] = f
		}
		lines[f.Mark] = append(lines[f.Mark], role+": "+f.Text)
	}
	if more := len(all) - mostRoles; more > 0 {
		lines[Note] = append(lines[Note], fmt.Sprintf("and %d more: mock-ec2-metadata check --credentials", more))
	}
	var found *Finding
	for _, mark := range []Mark{OK, Note, Fail} {
		if len(lines[mark]) > 0 {
			found = &Finding{Mark: mark, Text: strings.Join(lines[mark], "\n"), also: found}
		}
	}
	return *found
}

// tryRole gets the credentials of a role.
func tryRole(ctx context.Context, spec credentials.Spec, opt sts.Options) Finding {
	if spec.Mock {
		return Finding{Mark: Note, Text: "credentials are made up (credentials.mock), and no AWS service accepts them"}
	}
	profile, err := sts.New(spec, opt).Profile(ctx)
	if err != nil {
		return failure(err)
	}
	got, err := profile.Issue(ctx)
	if err != nil {
		return withoutCode(err)
	}
	return Finding{Mark: OK, Text: "clients are " + until(cmp.Or(got.ARN, profile.Name()), got.Expiration)}
}
