package profile

import (
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Profile returns the profile of that name and what its credentials come from, by the AWS CLI's rules. It fails with
// *MissingError or *Error. If the profile is there and its source is not, the Profile has its settings alone.
func (f *Files) Profile(name string) (*Profile, error) {
	e := f.profiles[name]
	if e == nil {
		return nil, f.missing(name)
	}
	p := &Profile{Name: name, files: f, entry: e}
	if err := p.resolve([]string{name}); err != nil {
		return &Profile{Name: name, files: f, entry: e}, err
	}
	return p, nil
}

// has reports whether a profile has any of these keys.
func (p *Profile) has(keys ...string) bool {
	return slices.ContainsFunc(keys, func(key string) bool { _, _, ok := p.entry.get(key); return ok })
}

// Assumes reports whether the profile assumes a role with other credentials than a web identity.
func (p *Profile) Assumes() bool { return p.has("role_arn") && !p.has("web_identity_token_file") }

// hasKeys reports whether the profile has an access key, or half of one.
func (p *Profile) hasKeys() bool { return p.has("aws_access_key_id", "aws_secret_access_key") }

// resolve finds the source of a profile's credentials. visited are the profiles that lead to it, and itself.
func (p *Profile) resolve(visited []string) error {
	if !p.Assumes() {
		return p.own()
	}
	p.Role = p.role()
	switch {
	case p.has("source_profile") && p.has("credential_source"):
		return p.wrong("credential_source", "it has both source_profile and credential_source")
	case p.has("source_profile"):
		return p.follow(visited)
	case p.has("credential_source"):
		p.CredentialSource = p.Setting("credential_source")
		if !slices.Contains([]string{"Environment", "EcsContainer", "Ec2InstanceMetadata"}, p.CredentialSource) {
			return p.wrong("credential_source", "credential_source values must be EcsContainer, Ec2InstanceMetadata, or Environment")
		}
		return nil
	default:
		return p.wrong("role_arn", "role_arn needs source_profile or credential_source, the credentials to assume the role with")
	}
}

// follow resolves the profile that source_profile names.
func (p *Profile) follow(visited []string) error {
	const key = "source_profile"
	name := p.Setting(key)
	e := p.files.profiles[name]
	if e == nil {
		missing := p.files.missing(name)
		missing.By, missing.ByLine = p.Name, p.at(key)
		return missing
	}
	s := &Profile{Name: name, files: p.files, entry: e}
	if begin := slices.Index(visited, name); begin >= 0 && (name != p.Name || !s.hasKeys()) {
		ring := strings.Join(append(slices.Clone(visited[begin:]), name), " → ")
		if name == p.Name {
			return p.wrong(key, "source_profile forms a ring, %s, and the profile has no keys of its own", ring)
		}
		return p.wrong(key, "source_profile forms a ring, %s", ring)
	}
	var err error
	if s.hasKeys() || !s.Assumes() {
		err = s.own()
	} else {
		err = s.resolve(append(slices.Clone(visited), name))
	}
	if err != nil {
		return err
	}
	if !s.sourced() {
		if s.noSource != nil {
			return s.noSource
		}
		return p.wrong(key, "source_profile %q has no credentials", name)
	}
	p.Source = s
	return nil
}

// sourced reports whether the profile has a source of credentials.
func (p *Profile) sourced() bool {
	return p.Source != nil || p.Keys != nil || p.SSO != nil || p.Login != "" || p.Process != "" || p.WebIdentityTokenFile != "" || p.CredentialSource != ""
}

func (p *Profile) role() *Role {
	r := &Role{
		ARN: p.Setting("role_arn"), ExternalID: p.Setting("external_id"), MFASerial: p.Setting("mfa_serial"),
		SessionName: p.Setting("role_session_name"),
	}
	if seconds, err := strconv.ParseInt(p.Setting("duration_seconds"), 10, 32); err == nil && seconds > 0 {
		r.Duration = time.Duration(seconds) * time.Second
	}
	return r
}

// own finds the source among the profile's keys, first of all that come before others in the AWS CLI.
func (p *Profile) own() error {
	switch {
	case p.Setting("web_identity_token_file") != "":
		return p.webIdentity()
	case p.has("sso_role_name", "sso_account_id"):
		return p.sso()
	case keyed(p.entry.credentials):
		return p.keys(p.entry.credentials)
	case p.Setting("login_session") != "":
		p.Login = p.Setting("login_session")
	case p.has("credential_process"):
		p.Process = p.Setting("credential_process")
		_, err := p.Command()
		return err
	case keyed(p.entry.config):
		return p.keys(p.entry.config)
	default:
		p.noSource = p.nothing()
	}
	return nil
}

// nothing says why a profile has no source although something looks like one; else nil.
func (p *Profile) nothing() error {
	if p.has("sso_session", "sso_start_url", "sso_region") {
		if err := p.sso(); err != nil {
			return err
		}
		p.SSO = nil // the AWS CLI wants the account or the role in the profile
	}
	switch {
	case p.has("aws_secret_access_key"):
		return p.wrong("aws_secret_access_key", "partial credentials: aws_access_key_id is missing")
	case p.has("source_profile"):
		return p.wrong("source_profile", "source_profile has no effect without role_arn")
	case p.has("credential_source"):
		return p.wrong("credential_source", "credential_source has no effect without role_arn")
	case len(p.files.unread) > 0:
		return &UnreadError{p.Name, p.files.unread}
	}
	return nil
}

func (p *Profile) webIdentity() error {
	if p.Setting("role_arn") == "" {
		return p.wrong("web_identity_token_file", "web_identity_token_file needs role_arn")
	}
	p.Role, p.WebIdentityTokenFile = p.role(), Expand(p.Setting("web_identity_token_file"))
	p.Role.ExternalID, p.Role.MFASerial = "", "" // AssumeRoleWithWebIdentity takes neither
	return nil
}

// keyed reports whether a section, which may be nil, has an access key.
func keyed(s *section) bool {
	if s == nil {
		return false
	}
	_, ok := s.keys["aws_access_key_id"]
	return ok
}

// keys takes the access key of a section.
func (p *Profile) keys(s *section) error {
	if _, whole := s.keys["aws_secret_access_key"]; !whole {
		return &Error{p.Name, where(s.file, s.keys["aws_access_key_id"].line), errHalf}
	}
	k := &Keys{File: s.file, AccountID: s.keys["aws_account_id"].text}
	for _, f := range []struct {
		key   string
		field *string
	}{
		{"aws_access_key_id", &k.AccessKeyID},
		{"aws_secret_access_key", &k.SecretAccessKey},
		{"aws_session_token", &k.SessionToken},
		{"aws_security_token", &k.SessionToken}, // the older name comes before the newer
	} {
		v, there := s.keys[f.key]
		if !there {
			continue
		}
		*f.field = v.text
		if optional := f.field == &k.SessionToken; !isKey(v.text) && (!optional || v.text != "") {
			return &Error{p.Name, where(s.file, v.line), &malformedError{f.key}}
		}
	}
	p.Keys = k
	return nil
}

// isKey reports whether a value may be a key or a token: AWS issues none with blanks or quotes.
func isKey(text string) bool {
	return text != "" && !strings.ContainsFunc(text, isSpace) && !strings.ContainsAny(text, `"'`)
}

// sso takes a role of SSO. An sso-session's keys and the profile's complete each other.
func (p *Profile) sso() error {
	from := map[string]string{}
	for _, key := range []string{"sso_region", "sso_start_url", "sso_account_id", "sso_role_name"} {
		from[key] = p.Setting(key)
	}
	s := &SSO{Session: p.Setting("sso_session")}
	if p.has("sso_session") {
		session := p.files.sessions[s.Session]
		if session == nil {
			if near := p.files.near(s.Session, "sso-session"); near != "" {
				return &Error{Profile: p.Name, Err: errors.New(near)}
			}
			return p.wrong("sso_session", "there is no section [%s]", display(headingOf(s.Session, "sso-session")))
		}
		for key, v := range session.keys {
			if p.has(key) && p.Setting(key) != v.text {
				return p.wrong(key, "%s differs from that of [sso-session %s]", display(key), Quote(display(s.Session)))
			}
			from[key] = v.text
		}
	}
	var missing []string
	for _, key := range []string{"sso_region", "sso_start_url", "sso_account_id", "sso_role_name"} {
		if from[key] == "" {
			missing = append(missing, key)
		}
	}
	if missing != nil {
		at := "sso_session"
		for _, key := range []string{"sso_role_name", "sso_account_id", "sso_region", "sso_start_url"} {
			if !p.has(at) {
				at = key
			}
		}
		return p.wrong(at, "it is configured to use SSO but is missing required configuration: %s", strings.Join(missing, ", "))
	}
	s.Region, s.StartURL, s.AccountID, s.RoleName = from["sso_region"], from["sso_start_url"], from["sso_account_id"], from["sso_role_name"]
	p.SSO = s
	return nil
}
