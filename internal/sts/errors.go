package sts

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"mock-ec2-metadata/internal/credentials"
	"mock-ec2-metadata/internal/profile"
)

// failed makes an error that a user has to fix, outside the profile.
func failed(format string, args ...any) *credentials.Error {
	return &credentials.Error{Code: credentials.CodeFailed, Message: fmt.Sprintf(format, args...)}
}

// temporary makes an error that a retry may fix.
func temporary(format string, args ...any) *credentials.Error {
	return &credentials.Error{Code: credentials.CodeFailed, Message: fmt.Sprintf(format, args...), Temporary: true}
}

// badProfile makes an error that a user has to fix in the profile.
func badProfile(format string, args ...any) *credentials.Error {
	return &credentials.Error{Code: credentials.CodeProfile, Message: fmt.Sprintf(format, args...)}
}

// unauthorized makes an error that a user has to fix in IAM, or with an MFA code.
func unauthorized(format string, args ...any) *credentials.Error {
	return &credentials.Error{Code: credentials.CodeUnauthorized, Message: fmt.Sprintf(format, args...)}
}

// loadError marks a failure to load the shared config files.
type loadError struct{ err error }

func (e *loadError) Error() string { return e.err.Error() }
func (e *loadError) Unwrap() error { return e.err }

var (
	userinfo = regexp.MustCompile(`://[^/@\s]*@`)
	spaces   = regexp.MustCompile(`\s+`)
)

// redactedText is an error's text on one line, without the user info of URLs.
func redactedText(err error) string {
	return strings.TrimSpace(spaces.ReplaceAllString(userinfo.ReplaceAllString(err.Error(), "://[redacted]@"), " "))
}

// describe turns an error of the SDK into a *credentials.Error that names the problem and the fix.
func (p *Provider) describe(ctx context.Context, err error) error {
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	if e, ok := errors.AsType[*credentials.Error](err); ok {
		return e
	}
	if e := p.describeMFA(ctx, err); e != nil {
		return e
	}
	if isSource(err) {
		if e := p.describeSource(err); e != nil {
			return e
		}
	}
	if e := p.describeProfile(err); e != nil {
		return e
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return p.describeAPI(err, api)
	}
	if errors.Is(err, context.DeadlineExceeded) && isSource(err) {
		return temporary("%s did not answer in time; if it is a credential_process, run its command by hand to see why, else check the network",
			p.endpoint(err))
	}
	if unreadable(err) {
		// The error is not quoted: it may contain the answer.
		check := "check for a proxy or a login page in between"
		if !isSource(err) {
			check = "check AWS_ENDPOINT_URL_STS, and for a proxy or a login page in between"
		}
		return temporary("%s sent an unreadable or truncated answer; %s", p.endpoint(err), check)
	}
	if reason, ok := unreachable(err); ok && isSource(err) {
		return temporary("%s cannot be reached: %s; check the network", p.endpoint(err), reason)
	} else if ok {
		return temporary("%s cannot be reached: %s; check the network, aws.region (%s) and AWS_ENDPOINT_URL_STS", p.endpoint(err), reason, p.spec.Region)
	}
	return failed("%s cannot make the call: %s", p.profile(), redactedText(err))
}

// unreadable reports whether a response arrived that is truncated or not the service's.
func unreadable(err error) bool {
	_, half := errors.AsType[*smithy.DeserializationError](err)
	response, answered := errors.AsType[*smithyhttp.ResponseError](err)
	return (half || answered && response.HTTPStatusCode() != 0) && !errors.Is(err, context.DeadlineExceeded)
}

// unreachable returns the reason of a network error, without the failed request.
func unreachable(err error) (reason string, ok bool) {
	if errors.Is(err, context.DeadlineExceeded) {
		return "no answer in time", true
	}
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err.Error(), true
	}
	if n, ok := errors.AsType[*net.OpError](err); ok {
		return n.Error(), true
	}
	return "", false
}

// environmentSources are the variables that give the SDK credentials when no profile is named.
var environmentSources = []string{
	"AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
}

// endpoint names the service that was called.
func (p *Provider) endpoint(err error) string {
	if isSource(err) {
		return "the credential source of " + p.profile()
	}
	return "STS"
}

// profile names the profile that makes the call.
func (p *Provider) profile() string {
	named, variable := profile.Named()
	switch {
	case p.spec.Profile != "":
		return fmt.Sprintf("profile %q", p.spec.Profile)
	case named != "" && os.Getenv("AWS_ACCESS_KEY_ID") == "":
		return fmt.Sprintf("profile %q (%s)", named, variable)
	case !slices.ContainsFunc(environmentSources, func(variable string) bool { return os.Getenv(variable) != "" }) || assumesByDefault():
		return `profile "default"`
	default:
		return "the environment"
	}
}

// assumesByDefault reports whether the default profile assumes a role, which comes after keys of the environment only.
func assumesByDefault() bool {
	shared, _ := find("")
	return os.Getenv("AWS_ACCESS_KEY_ID") == "" && shared != nil && shared.Assumes()
}

// key names a key of the entry of the configuration that asks for the credentials: credentials.NAME or roles.ROLE.NAME. An entry of
// roles can set each key itself, inherited ones too.
func (p *Provider) key(name string) string {
	if strings.HasPrefix(p.spec.Entry, "roles.") {
		return p.spec.Entry + "." + name
	}
	return "credentials." + name
}

func (p *Provider) profileFlag() string {
	if p.spec.Profile == "" {
		return ""
	}
	return " --profile " + profile.Quote(p.spec.Profile)
}
