package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/instance"
)

// maxSkew is how wrong the clock may be without a word. AWS refuses signatures from five minutes on.
const maxSkew = time.Minute

func (d *doctor) examineProfile(ctx context.Context) finding {
	c := d.loaded.Config
	switch {
	case instance.RoleOf(c) == "":
		return finding{
			mark: noteMark, blocks: "there is no instance profile",
			text: "none: neither credentials.iam_role nor credentials.source_profile is set, so clients get no credentials; conf/sample-config.yaml shows how to set them",
		}
	case c.Credentials.Mock:
		return finding{
			mark: noteMark, blocks: "credentials.mock is set",
			text: "not used: credentials are made up (credentials.mock), and no AWS service accepts them; for real ones copy conf/sample-config.yaml to conf/config.yaml and set credentials.source_profile and credentials.iam_role",
		}
	}
	profile, err := credentials.NewSTS(specOf(c), credentials.Options{Log: d.log, Now: d.now}).Profile(ctx)
	if err != nil {
		return failure(err)
	}
	d.profile = profile
	return finding{mark: okMark, text: profile.Name() + "; searched " + searchedFiles()}
}

// searchedFiles names the files that profiles are read from.
func searchedFiles() string {
	files := credentials.ProfileFiles()
	for i, file := range files {
		if _, err := os.Stat(file); err != nil {
			files[i] += " (not there)"
		}
	}
	return strings.Join(files, " and ")
}

// withoutCode is a failure, unless all that is missing is an MFA code: those are for the daemon.
func withoutCode(err error) finding {
	if needs, ok := errors.AsType[*credentials.NeedsMFA](err); ok {
		return finding{
			mark: noteMark, blocks: "that takes an MFA code",
			text: fmt.Sprintf("a code of the MFA device %s is needed, which is the daemon's to ask for; to try one: mock-ec2-metadata check --credentials", needs.Serial),
		}
	}
	return failure(err)
}

func (d *doctor) examineCredentials(ctx context.Context) finding {
	source, err := d.profile.Source(ctx)
	switch {
	case err != nil:
		return withoutCode(err)
	case source.Expires.IsZero():
		return finding{mark: okMark, text: source.Kind + ", without an expiry"}
	default:
		return finding{mark: okMark, text: lasting(source.Kind, source.Expires)}
	}
}

func (d *doctor) examineIdentity(ctx context.Context) finding {
	identity, err := d.profile.Identity(ctx)
	if err != nil {
		return failure(err)
	}
	d.identity, d.skew = identity, d.now().Sub(identity.Time)
	return finding{mark: okMark, text: identity.ARN}
}

// examineRole gets credentials as the daemon would.
func (d *doctor) examineRole(ctx context.Context) finding {
	got, err := d.profile.Issue(ctx)
	switch {
	case err != nil:
		return withoutCode(err)
	case d.loaded.Config.Credentials.IAMRole == "":
		return finding{mark: okMark, text: "none to assume: clients are " + lasting(d.identity.ARN, got.Expiration)}
	default:
		return finding{mark: okMark, text: "clients are " + lasting(got.ARN, got.Expiration)}
	}
}

// examineClock compares this machine's with STS's. If it were too wrong for signatures, the identity would have failed.
func (d *doctor) examineClock(context.Context) finding {
	skew, direction := d.skew, "ahead of"
	if skew < 0 {
		skew, direction = -skew, "behind"
	}
	switch {
	case d.identity.Time.IsZero():
		return finding{mark: noteMark, text: "STS does not say what time it is, so this machine's clock cannot be compared"}
	case skew > maxSkew:
		return finding{mark: noteMark, text: fmt.Sprintf(
			"this machine's clock is %v %s STS's, and at five minutes AWS refuses signatures; set it (Linux: timedatectl set-ntp true)",
			skew.Round(10*time.Second), direction)}
	default:
		return finding{mark: okMark, text: "less than a minute off STS's"}
	}
}
