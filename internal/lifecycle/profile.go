package lifecycle

import (
	"strings"

	"mock-ec2-metadata/internal/config"
	"mock-ec2-metadata/internal/instance"
)

const (
	iamDir      = "meta-data/iam"
	iamInfo     = iamDir + "/info"
	iamRoles    = iamDir + "/security-credentials"
	iamExtended = iamDir + "/security-credentials-extended"
)

// seeDocumentation ends the messages of credential errors, after two spaces (imds-reference section 6.1).
const seeDocumentation = "Please see documentation at https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_iam-ec2.html#troubleshoot_iam-ec2_errors-info-doc."

// profile changes the instance profile, beginning with the configured one: a later event takes the place of an earlier one. While it
// lags, the state before shows; one that is being attached is absent (events-reference section 1.6).
func (p *patch) profile(e *Event, lags bool) error {
	spec, role := &e.Spec, instance.RoleOf(&p.file)
	switch {
	case role == "" && spec.Profile != "detach":
		return wrong(kindProfile, "%s needs a role; set credentials.iam_role", spec.Profile)
	case spec.Profile == "replace" && spec.Role == "":
		return wrong("role", "is missing; name the role to list")
	case spec.Profile == "break" && spec.Code == "":
		return wrong("code", "is missing; write e.g. AssumeRoleUnauthorizedAccess")
	case lags && spec.Profile != "attach":
		return nil
	}
	if spec.Profile == "break" {
		trial := p.clone()
		trial.configuredProfile()
		if err := trial.breakProfile(spec.Code, timestamp(e.phaseTime(Active))); err != nil {
			return err
		}
		*p = *trial
		return nil
	}
	p.configuredProfile()
	switch spec.Profile {
	case "detach":
		p.detachProfile()
	case "attach":
		if lags {
			p.detachProfile()
		}
	case "replace":
		p.in.Credentials = renamed(p.in.Credentials, spec.Role)
	}
	return nil
}

// configuredProfile takes back what other events have changed.
func (p *patch) configuredProfile() {
	p.forget(iamDir)
	p.in.Credentials = p.file.Credentials
}

func (p *patch) detachProfile() {
	p.in.Credentials.IAMRole, p.in.Credentials.SourceProfile = "", ""
}

// renamed returns credentials that go by another role's name.
func renamed(c config.Credentials, name string) config.Credentials {
	if account, _, ok := strings.Cut(c.IAMRole, ":role/"); ok {
		c.IAMRole = account + ":role/" + name
		return c
	}
	c.IAMRole, c.SourceProfile = "", name
	return c
}

// breakProfile shows what the service does when the profile or its role is unusable: errors with status 200.
func (p *patch) breakProfile(code, since string) error {
	in := instance.New(&p.in, nil)
	switch code {
	case "InstanceProfileNotFound":
		return p.put(kindProfile, map[string]string{iamInfo: document(
			member("Code", code),
			member("Message", "Instance Profile with Id "+in.ProfileID+" cannot be found.  "+seeDocumentation),
			member("LastUpdated", since),
		)})
	case "NoRole":
		return p.put(kindProfile, map[string]string{iamInfo: document(
			member("Code", "Success"),
			member("Message", "Instance Profile does not contain a role.  "+seeDocumentation),
			member("LastUpdated", since),
			member("InstanceProfileArn", in.ProfileARN),
			member("InstanceProfileId", in.ProfileID),
		)}, iamRoles, iamExtended)
	default:
		failed := document(
			member("Code", code),
			member("Message", "EC2 cannot assume the role "+in.Role+".  "+seeDocumentation),
			member("LastUpdated", since),
		)
		return p.put(kindProfile, map[string]string{iamRoles + "/" + in.Role: failed, iamExtended + "/" + in.Role: failed})
	}
}

// document encodes an object as the service does (imds-reference section 6).
func document(members ...string) string { return "{\n  " + strings.Join(members, ",\n  ") + "\n}" }
