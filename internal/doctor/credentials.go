package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"mock-ec2-metadata/internal/app"
	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/instance"
	"mock-ec2-metadata/internal/sts"
)

// maxSkew is the clock skew that gets no note. AWS refuses signatures from five minutes on.
const maxSkew = time.Minute

func (d *doctor) examineProfile(ctx context.Context) Finding {
	c := d.loaded.Config
	switch {
	case instance.RoleOf(&c.Instance) == "":
		return Finding{
			Mark: Note, blocks: "there is no instance profile",
			Text: "none: neither credentials.iam_role nor credentials.source_profile is set, so clients get no credentials; conf/sample-config.yaml shows how to set them",
		}
	case c.Credentials.Mock:
		return Finding{
			Mark: Note, blocks: "credentials.mock is set",
			Text: "not used: credentials are made up (credentials.mock); " + d.loaded.MockHint(),
		}
	}
	profile, err := sts.New(app.SpecOf(c), sts.Options{Log: d.opt.Log, Now: d.opt.Now}).Profile(ctx)
	if err != nil {
		return failure(err)
	}
	d.profile = profile
	return Finding{Mark: OK, Text: profile.Name() + "; searched " + searchedFiles()}
}

// searchedFiles names the files that profiles are read from, and those that do not exist.
func searchedFiles() string {
	files := sts.ProfileFiles()
	for i, file := range files {
		if _, err := os.Stat(file); err != nil {
			files[i] += " (does not exist)"
		}
	}
	return strings.Join(files, " and ")
}

// withoutCode is a failure, unless only an MFA code is missing: the daemon asks for those.
func withoutCode(err error) Finding {
	if needs, ok := errors.AsType[*credentials.NeedsMFA](err); ok {
		return Finding{
			Mark: Note, blocks: "that needs an MFA code",
			Text: fmt.Sprintf("a code of the MFA device %s is needed, which the daemon asks for; to try one: mock-ec2-metadata check --credentials", needs.Serial),
		}
	}
	return failure(err)
}

func (d *doctor) examineCredentials(ctx context.Context) Finding {
	source, err := d.profile.Source(ctx)
	switch {
	case err != nil:
		return withoutCode(err)
	case source.Expires.IsZero():
		return Finding{Mark: OK, Text: source.Kind + ", without an expiry"}
	default:
		return Finding{Mark: OK, Text: until(source.Kind, source.Expires)}
	}
}

func (d *doctor) examineIdentity(ctx context.Context) Finding {
	identity, err := d.profile.Identity(ctx)
	if err != nil {
		return failure(err)
	}
	d.identity, d.skew = identity, d.opt.Now().Sub(identity.Time)
	return Finding{Mark: OK, Text: identity.ARN}
}

// examineRole gets credentials as the daemon would.
func (d *doctor) examineRole(ctx context.Context) Finding {
	got, err := d.profile.Issue(ctx)
	switch {
	case err != nil:
		return withoutCode(err)
	case d.loaded.Config.Credentials.IAMRole == "":
		return Finding{Mark: OK, Text: "no role to assume: clients are " + until(d.identity.ARN, got.Expiration)}
	default:
		return Finding{Mark: OK, Text: "clients are " + until(got.ARN, got.Expiration)}
	}
}

// examineClock compares this machine's with STS's. If it were too wrong for signatures, the identity would have failed.
func (d *doctor) examineClock(context.Context) Finding {
	skew, direction := d.skew, "ahead of"
	if skew < 0 {
		skew, direction = -skew, "behind"
	}
	switch {
	case d.identity.Time.IsZero():
		return Finding{Mark: Note, Text: "STS does not tell its time, so this machine's clock cannot be compared"}
	case skew > maxSkew:
		return Finding{Mark: Note, Text: fmt.Sprintf(
			"this machine's clock is %v %s STS's, and at five minutes AWS refuses signatures; set it (Linux: timedatectl set-ntp true)",
			skew.Round(10*time.Second), direction)}
	default:
		return Finding{Mark: OK, Text: "less than a minute off STS's"}
	}
}

// until says what is valid, and until when.
func until(what string, end time.Time) string {
	return what + " until " + end.UTC().Format(time.RFC3339)
}
