package sts

import (
	"cmp"
	"errors"
	"io/fs"
	"net/http"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/profile"
)

// sourceError marks a failure of the credential source: of getting the profile's credentials, before the call of STS.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// isSource reports whether the credential source failed, not the call of STS.
func isSource(err error) bool {
	_, ok := errors.AsType[*sourceError](err)
	return ok
}

// describeProfile explains a problem of the profile itself; nil if err has another cause.
func (p *Provider) describeProfile(err error) *credentials.Error {
	process, _ := errors.AsType[*processcreds.ProviderError](err)
	_, load := errors.AsType[*loadError](err)
	files := p.ofFiles(err)
	switch {
	case files != nil:
		return badProfile("%s", files)
	case process != nil:
		// The error is not quoted: it may contain the process's output, which is credentials.
		return badProfile("%s: its credential_process failed or printed something other than credentials; run the command by hand to see why", p.profile())
	case calledMetadataService(err) && isLoop(err):
		return badProfile("%s takes its credentials from EC2's metadata service, which here is this daemon itself; "+
			"set AWS_EC2_METADATA_SERVICE_ENDPOINT to the real one, or name a profile with keys or SSO", p.profile())
	case calledMetadataService(err):
		return temporary("%s takes its credentials from EC2's metadata service, which has none here; outside EC2, name a profile with keys or SSO", p.profile())
	case errors.Is(err, errNoSource):
		return badProfile("%s holds no credentials; add keys (aws configure%s), sso_session, role_arn or credential_process to it. "+
			"EC2's own metadata service is not asked: it would be this daemon", p.profile(), p.profileFlag())
	case load:
		return badProfile("%s cannot be used: %s; fix it in %s", p.profile(), redactedText(err), strings.Join(ProfileFiles(), " or "))
	default:
		return nil
	}
}

// ofFiles returns the error that says what is wrong with the profile files, and where; nil if err has another cause.
func (p *Provider) ofFiles(err error) error {
	if e, ok := errors.AsType[*profile.SyntaxError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*profile.MissingError](err); ok {
		missing := *e
		missing.Key = p.key("source_profile")
		return &missing
	}
	if e, ok := errors.AsType[*profile.Error](err); ok {
		return e
	}
	if e, ok := errors.AsType[*profile.UnreadError](err); ok {
		return e
	}
	return nil
}

// calledMetadataService reports whether the SDK fell back to EC2's metadata service, at any depth of a chain of profiles.
func calledMetadataService(err error) bool {
	var op *smithy.OperationError
	for errors.As(err, &op) {
		if op.ServiceID == "ec2imds" {
			return true
		}
		err = op.Err
	}
	return false
}

// isLoop reports whether the daemon asked itself and refused.
func isLoop(err error) bool {
	response, ok := errors.AsType[*smithyhttp.ResponseError](err)
	return ok && response.HTTPStatusCode() == http.StatusLoopDetected
}

// describeSource explains a failure of SSO, aws login, a web identity or container credentials; nil if it is none of them.
func (p *Provider) describeSource(err error) *credentials.Error {
	called := innermost(err)
	_, answered := errors.AsType[smithy.APIError](err)
	_, byService := errors.AsType[*smithyhttp.ResponseError](err)
	_, noToken, unread := strings.Cut(err.Error(), "failed to retrieve jwt from provide source, unable to read file at ")
	switch {
	case unread:
		_, reason, _ := strings.Cut(noToken, ": open ") // the reason repeats the file's name
		return badProfile("the web identity token of %s cannot be read (%s); create the file, or fix web_identity_token_file or AWS_WEB_IDENTITY_TOKEN_FILE",
			p.profile(), reason)
	case answered && !byService:
		// Only container errors have no ResponseError. Their text is the whole response, which may contain credentials.
		return temporary("the container credentials service that %s uses (AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI) refuses; see its log", p.profile())
	case called != nil && called.OperationName == "AssumeRoleWithWebIdentity":
		api, ok := errors.AsType[smithy.APIError](err)
		if !ok || isTransient(err, api) {
			return nil
		}
		return badProfile("STS refuses the web identity of %s (%s); renew the token in the file that web_identity_token_file, or AWS_WEB_IDENTITY_TOKEN_FILE, names, and check role_arn",
			p.profile(), apiText(api))
	default:
		return cmp.Or(p.describeLogin(err), p.describeSSO(err, called))
	}
}

// describeSSO explains an SSO login that is missing, expired or without access.
func (p *Provider) describeSSO(err error, called *smithy.OperationError) *credentials.Error {
	var path *fs.PathError
	api, answered := errors.AsType[smithy.APIError](err)
	_, invalid := errors.AsType[*ssocreds.InvalidTokenError](err)
	login := "run: aws sso login" + p.loginFlag(func(c *profile.Profile) bool { return c.SSO != nil })
	switch {
	case errors.As(err, &path) && inCache(path) && strings.Contains(filepath.Base(path.Path), ".tmp"):
		return badProfile("the SSO login of %s cannot be renewed (%s: %v); let the daemon's user write there, then %s", p.profile(), path.Path, path.Err, login)
	case errors.As(err, &path) && inCache(path):
		return badProfile("%s has no SSO session (%s: %v); %s", p.profile(), path.Path, path.Err, login)
	case called != nil && called.ServiceID == "SSO OIDC" && answered && !isTransient(err, api):
		return badProfile("the SSO session of %s cannot be renewed (%s); %s", p.profile(), api.ErrorCode(), login)
	case called != nil && called.ServiceID == "SSO" && answered && api.ErrorCode() == "UnauthorizedException":
		return badProfile("the SSO session of %s has ended (%s); %s", p.profile(), apiText(api), login)
	case called != nil && called.ServiceID == "SSO" && answered && !isTransient(err, api):
		return badProfile("SSO gives %s no credentials (%s); check sso_account_id and sso_role_name", p.profile(), apiText(api))
	case called == nil && (invalid || strings.Contains(err.Error(), "SSO token")):
		return badProfile("the SSO session of %s has expired; %s", p.profile(), login)
	default:
		return nil
	}
}

// describeLogin explains an unusable session of aws login.
func (p *Provider) describeLogin(err error) *credentials.Error {
	for _, said := range []string{
		"token file not found", "login session has expired", "login session password has changed",
		"insufficient permissions, you may be missing permissions for the CreateOAuth2Token action",
	} {
		if strings.Contains(err.Error(), said) {
			return badProfile("the login of %s cannot be used (%s); run: aws login%s",
				p.profile(), said, p.loginFlag(func(c *profile.Profile) bool { return c.Login != "" }))
		}
	}
	return nil
}

// loginFlag returns the option that names the profile to log in with: the profile of the chain that has the login.
func (p *Provider) loginFlag(has func(*profile.Profile) bool) string {
	first, _ := find(p.spec.Profile)
	for c := range chain(first) {
		if has(c) {
			return " --profile " + profile.Quote(c.Name)
		}
	}
	return p.profileFlag()
}

// inCache reports whether a file is in the cache directory of logins.
func inCache(path *fs.PathError) bool { return filepath.Base(filepath.Dir(path.Path)) == "cache" }
