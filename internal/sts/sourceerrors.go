package sts

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/ssocreds"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"mock-ec2-metadata/internal/credentials"
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

// describeSource explains a failure of SSO, aws login, a web identity or container credentials; nil if it is none of them.
func (a *Provider) describeSource(ctx context.Context, err error) error {
	called := innermost(err)
	_, answered := errors.AsType[smithy.APIError](err)
	_, byService := errors.AsType[*smithyhttp.ResponseError](err)
	_, noToken, unread := strings.Cut(err.Error(), "failed to retrieve jwt from provide source, unable to read file at ")
	switch {
	case unread:
		_, reason, _ := strings.Cut(noToken, ": open ") // the reason repeats the file's name
		return &credentials.Error{Code: credentials.CodeProfile, Message: fmt.Sprintf(
			"the web identity token of %s cannot be read (%s); create the file, or fix web_identity_token_file or AWS_WEB_IDENTITY_TOKEN_FILE", a.profile(), reason)}
	case answered && !byService:
		// Only container errors have no ResponseError. Their text is the whole response, which may contain credentials.
		return &credentials.Error{Code: credentials.CodeFailed, Temporary: true, Message: fmt.Sprintf(
			"the container credentials service that %s uses (AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI) refuses; see its log", a.profile())}
	case called == nil:
		return cmp.Or(a.describeLogin(ctx, err), a.describeSSO(ctx, err, nil))
	case called.OperationName == "AssumeRoleWithWebIdentity":
		api, ok := errors.AsType[smithy.APIError](err)
		if !ok || isTransient(err, api) {
			return nil
		}
		return &credentials.Error{Code: credentials.CodeProfile, Message: fmt.Sprintf("STS refuses the web identity of %s (%s); renew the token in the file that web_identity_token_file, or AWS_WEB_IDENTITY_TOKEN_FILE, names, and check role_arn",
			a.profile(), apiText(api))}
	default:
		return a.describeSSO(ctx, err, called)
	}
}

// describeSSO explains an SSO login that is missing, expired or without access.
func (a *Provider) describeSSO(ctx context.Context, err error, called *smithy.OperationError) error {
	var path *fs.PathError
	api, answered := errors.AsType[smithy.APIError](err)
	_, invalid := errors.AsType[*ssocreds.InvalidTokenError](err)
	login := "; run: aws sso login" + a.loginFlag(ctx, func(p *awsconfig.SharedConfig) bool { return p.SSOSession != nil || p.SSOStartURL != "" })
	message := ""
	switch {
	case errors.As(err, &path) && inCache(path) && strings.Contains(filepath.Base(path.Path), ".tmp"):
		message = fmt.Sprintf("the SSO login of %s cannot be renewed (%s: %v); let the daemon's user write there, then", a.profile(), path.Path, path.Err) +
			strings.TrimPrefix(login, ";")
	case errors.As(err, &path) && inCache(path):
		message = fmt.Sprintf("%s has no SSO session (%s: %v)", a.profile(), path.Path, path.Err) + login
	case called != nil && called.ServiceID == "SSO OIDC" && answered && !isTransient(err, api):
		message = fmt.Sprintf("the SSO session of %s cannot be renewed (%s)", a.profile(), api.ErrorCode()) + login
	case called != nil && called.ServiceID == "SSO" && answered && api.ErrorCode() == "UnauthorizedException":
		message = fmt.Sprintf("the SSO session of %s has ended (%s)", a.profile(), apiText(api)) + login
	case called != nil && called.ServiceID == "SSO" && answered && !isTransient(err, api):
		message = fmt.Sprintf("SSO gives %s no credentials (%s); check sso_account_id and sso_role_name", a.profile(), apiText(api))
	case called == nil && (invalid || strings.Contains(err.Error(), "SSO token")):
		message = fmt.Sprintf("the SSO session of %s has expired", a.profile()) + login
	default:
		return nil
	}
	return &credentials.Error{Code: credentials.CodeProfile, Message: message}
}

// describeLogin explains an unusable session of aws login.
func (a *Provider) describeLogin(ctx context.Context, err error) error {
	for _, said := range []string{
		"token file not found", "login session has expired", "login session password has changed",
		"insufficient permissions, you may be missing permissions for the CreateOAuth2Token action",
	} {
		if strings.Contains(err.Error(), said) {
			return &credentials.Error{Code: credentials.CodeProfile, Message: fmt.Sprintf("the login of %s cannot be used (%s); run: aws login%s",
				a.profile(), said, a.loginFlag(ctx, func(p *awsconfig.SharedConfig) bool { return p.LoginSession != "" }))}
		}
	}
	return nil
}

// loginFlag returns the option that names the profile to log in with: the profile of the chain that has the login.
func (a *Provider) loginFlag(ctx context.Context, has func(*awsconfig.SharedConfig) bool) string {
	for p := range chain(sharedProfile(ctx, a.spec.Profile)) {
		if has(p) && p.Source == nil {
			return " --profile " + p.Profile
		}
	}
	return a.profileFlag()
}

// inCache reports whether a file is in the cache directory of logins.
func inCache(path *fs.PathError) bool { return filepath.Base(filepath.Dir(path.Path)) == "cache" }

// innermost returns the failed call: in a chain of profiles, errors of outer calls wrap it. nil if no call was made.
func innermost(err error) *smithy.OperationError {
	var last, op *smithy.OperationError
	for errors.As(err, &op) {
		last, err = op, op.Err
	}
	return last
}

// isTransient reports whether a retry of the call may succeed.
func isTransient(err error, api smithy.APIError) bool {
	response, answered := errors.AsType[*smithyhttp.ResponseError](err)
	return answered && (response.HTTPStatusCode() >= 500 || response.HTTPStatusCode() == http.StatusTooManyRequests) ||
		strings.HasPrefix(api.ErrorCode(), "Throttling") ||
		slices.Contains([]string{"TooManyRequestsException", "SlowDownException", "RequestLimitExceeded", "IDPCommunicationError"}, api.ErrorCode())
}

// quoted matches the values of secret parameters, which STS quotes if it finds them malformed.
var quoted = regexp.MustCompile(`Value '.+?' at '(webIdentityToken|externalId|tokenCode)'`)

// apiText returns the code and the message of an error response on one line, without secrets and cut to 500 bytes.
func apiText(api smithy.APIError) string {
	const most = 500
	text := strings.TrimSpace(spaces.ReplaceAllString(api.ErrorCode()+": "+api.ErrorMessage(), " "))
	text = quoted.ReplaceAllString(text, "Value '[redacted]' at '$1'")
	return strings.TrimSuffix(text[:min(len(text), most)], ":")
}
