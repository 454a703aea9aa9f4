package credentials

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
)

// sourceError marks a failure to get the credentials that make the call, before the call.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// isSource says whether the credentials that make the call could not be got.
func isSource(err error) bool {
	_, ok := errors.AsType[*sourceError](err)
	return ok
}

// describeSource explains what is wrong with SSO, a web identity or container credentials, nil if it is none of them.
func (a *STS) describeSource(ctx context.Context, err error) error {
	called := innermost(err)
	_, answered := errors.AsType[smithy.APIError](err)
	_, byService := errors.AsType[*smithyhttp.ResponseError](err)
	_, noToken, unread := strings.Cut(err.Error(), "failed to retrieve jwt from provide source, unable to read file at ")
	switch {
	case unread:
		_, reason, _ := strings.Cut(noToken, ": open ") // after the file's name, which is in the reason too
		return &Error{Code: codeProfile, Message: fmt.Sprintf(
			"the web identity token of %s cannot be read (%s); put it there, or mend web_identity_token_file, or AWS_WEB_IDENTITY_TOKEN_FILE", a.profile(), reason)}
	case answered && !byService:
		// Only the container's answers come without one. They are quoted whole, and may hold credentials.
		return &Error{Code: codeFailed, Temporary: true, Message: fmt.Sprintf(
			"the container credentials service that %s uses (AWS_CONTAINER_CREDENTIALS_FULL_URI or _RELATIVE_URI) refuses; see its log", a.profile())}
	case called == nil:
		return cmp.Or(a.describeLogin(ctx, err), a.describeSSO(ctx, err, nil))
	case called.OperationName == "AssumeRoleWithWebIdentity":
		api, ok := errors.AsType[smithy.APIError](err)
		if !ok || passing(err, api) {
			return nil
		}
		return &Error{Code: codeProfile, Message: fmt.Sprintf("STS refuses the web identity of %s (%s); renew the token in the file that web_identity_token_file, or AWS_WEB_IDENTITY_TOKEN_FILE, names, and check role_arn",
			a.profile(), said(api))}
	default:
		return a.describeSSO(ctx, err, called)
	}
}

// describeSSO explains a login that is missing, over or not good enough.
func (a *STS) describeSSO(ctx context.Context, err error, called *smithy.OperationError) error {
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
	case called != nil && called.ServiceID == "SSO OIDC" && answered && !passing(err, api):
		message = fmt.Sprintf("the SSO session of %s cannot be renewed (%s)", a.profile(), api.ErrorCode()) + login
	case called != nil && called.ServiceID == "SSO" && answered && api.ErrorCode() == "UnauthorizedException":
		message = fmt.Sprintf("the SSO session of %s has ended (%s)", a.profile(), said(api)) + login
	case called != nil && called.ServiceID == "SSO" && answered && !passing(err, api):
		message = fmt.Sprintf("SSO gives %s no credentials (%s); check sso_account_id and sso_role_name", a.profile(), said(api))
	case called == nil && (invalid || strings.Contains(err.Error(), "SSO token")):
		message = fmt.Sprintf("the SSO session of %s has expired", a.profile()) + login
	default:
		return nil
	}
	return &Error{Code: codeProfile, Message: message}
}

// describeLogin explains what the SDK says of the session that aws login leaves.
func (a *STS) describeLogin(ctx context.Context, err error) error {
	for _, said := range []string{
		"token file not found", "login session has expired", "login session password has changed",
		"insufficient permissions, you may be missing permissions for the CreateOAuth2Token action",
	} {
		if strings.Contains(err.Error(), said) {
			return &Error{Code: codeProfile, Message: fmt.Sprintf("the login of %s cannot be used (%s); run: aws login%s",
				a.profile(), said, a.loginFlag(ctx, func(p *awsconfig.SharedConfig) bool { return p.LoginSession != "" }))}
		}
	}
	return nil
}

// loginFlag names the profile to log in with: of the one in use and those that it builds on, the one that has a login.
func (a *STS) loginFlag(ctx context.Context, has func(*awsconfig.SharedConfig) bool) string {
	for p := range chain(sharedProfile(ctx, a.spec.Profile)) {
		if has(p) && p.Source == nil {
			return " --profile " + p.Profile
		}
	}
	return a.profileFlag()
}

// inCache says whether a file is one that a login leaves its token in.
func inCache(path *fs.PathError) bool { return filepath.Base(filepath.Dir(path.Path)) == "cache" }

// innermost is the call that failed, of those that wrap each other in a chain of profiles; nil if none was made.
func innermost(err error) *smithy.OperationError {
	var last, op *smithy.OperationError
	for errors.As(err, &op) {
		last, err = op, op.Err
	}
	return last
}

// passing says whether a service's answer may be another one the next time.
func passing(err error, api smithy.APIError) bool {
	response, answered := errors.AsType[*smithyhttp.ResponseError](err)
	return answered && (response.HTTPStatusCode() >= 500 || response.HTTPStatusCode() == http.StatusTooManyRequests) ||
		strings.HasPrefix(api.ErrorCode(), "Throttling") ||
		slices.Contains([]string{"TooManyRequestsException", "SlowDownException", "RequestLimitExceeded", "IDPCommunicationError"}, api.ErrorCode())
}

// quoted is a secret parameter that STS finds malformed, and quotes.
var quoted = regexp.MustCompile(`Value '.+?' at '(webIdentityToken|externalId|tokenCode)'`)

// said is a service's code and message, on one line, without what it may quote of secrets.
func said(api smithy.APIError) string {
	const most = 500
	text := strings.TrimSpace(spaces.ReplaceAllString(api.ErrorCode()+": "+api.ErrorMessage(), " "))
	text = quoted.ReplaceAllString(text, "Value '[redacted]' at '$1'")
	return strings.TrimSuffix(text[:min(len(text), most)], ":")
}
