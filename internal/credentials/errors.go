package credentials

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/processcreds"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Codes of the service's own error documents (imds-reference section 6.1).
const (
	codeUnauthorized = "AssumeRoleUnauthorizedAccess"
	codeProfile      = "InvalidProfile"
	codeFailed       = "Failed"
)

// Error says why there are no credentials. It never holds a secret, nor the error it was made of: those may.
type Error struct {
	Code    string
	Message string // what is wrong and what to do
	// Temporary says that trying again may help without anybody doing anything.
	Temporary bool
}

func (e *Error) Error() string { return e.Message }

// loadError marks a failure to make anything of the shared config files.
type loadError struct{ err error }

func (e *loadError) Error() string { return e.err.Error() }
func (e *loadError) Unwrap() error { return e.err }

var (
	userinfo = regexp.MustCompile(`://[^/@\s]*@`)
	spaces   = regexp.MustCompile(`\s+`)
)

// harmless is an error's text on one line, without what a URL may hold of secrets.
func harmless(err error) string {
	return strings.TrimSpace(spaces.ReplaceAllString(userinfo.ReplaceAllString(err.Error(), "://[redacted]@"), " "))
}

// describe says in our words what an error of the SDK means to the user.
func (a *STS) describe(ctx context.Context, err error) error {
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e
	}
	if e := a.describeMFA(ctx, err); e != nil {
		return e
	}
	if isSource(err) {
		if e := a.describeSource(ctx, err); e != nil {
			return e
		}
	}
	if e := a.describeProfile(err); e != nil {
		return e
	}
	if api, ok := errors.AsType[smithy.APIError](err); ok {
		return a.describeAPI(err, api)
	}
	if errors.Is(err, context.DeadlineExceeded) && isSource(err) {
		return &Error{Code: codeFailed, Temporary: true, Message: fmt.Sprintf("%s gave no answer in time; if it is a credential_process, run its command by hand to see why, else check the network",
			a.endpoint(err))}
	}
	if unreadable(err) {
		// The error may quote the answer.
		message := a.endpoint(err) + " gave an answer that cannot be read, or half of one; check what is in between (a proxy, a login page)"
		if !isSource(err) {
			message += " and AWS_ENDPOINT_URL_STS"
		}
		return &Error{Code: codeFailed, Temporary: true, Message: message}
	}
	if reason, ok := unreachable(err); ok && isSource(err) {
		return &Error{Code: codeFailed, Temporary: true, Message: fmt.Sprintf("%s cannot be reached: %s; check the network", a.endpoint(err), reason)}
	} else if ok {
		return &Error{Code: codeFailed, Temporary: true, Message: fmt.Sprintf("%s cannot be reached: %s; check the network, aws.region (%s) and AWS_ENDPOINT_URL_STS",
			a.endpoint(err), reason, a.spec.Region)}
	}
	return &Error{Code: codeFailed, Message: fmt.Sprintf("%s cannot make the call: %s", a.profile(), harmless(err))}
}

// describeProfile names what is wrong with the profile, nil if it is something else.
func (a *STS) describeProfile(err error) error {
	var (
		missing awsconfig.SharedConfigProfileNotExistError
		unread  awsconfig.SharedConfigLoadError
		process *processcreds.ProviderError
		assume  awsconfig.SharedConfigAssumeRoleError
		path    *fs.PathError
		load    *loadError
	)
	message := ""
	switch {
	case errors.As(err, &missing):
		message = fmt.Sprintf("profile %q is in neither of %s; create it (aws configure --profile %s) or name another one in credentials.source_profile",
			missing.Profile, strings.Join(ProfileFiles(), ", "), missing.Profile)
	case errors.As(err, &unread):
		reason := "it is not in the format of AWS's config files"
		if errors.As(unread.Err, &path) {
			reason = path.Err.Error()
		}
		message = fmt.Sprintf("%s cannot be read: %s", unread.Filename, reason)
	case errors.As(err, &assume):
		message = fmt.Sprintf("%s assumes a role with source_profile %q, which is missing, has nothing that the SDK takes credentials from there, or leads back to itself; mend it", a.profile(), assume.Profile)
	case errors.As(err, &process):
		// The error may quote the process's output: credentials.
		message = a.profile() + ": its credential_process failed or printed something else than credentials; run the command by hand to see why"
	case calledMetadataService(err) && isLoop(err):
		message = a.profile() + " takes its credentials from EC2's metadata service, which here is this daemon itself; set AWS_EC2_METADATA_SERVICE_ENDPOINT to the real one, or name a profile with keys or SSO"
	case calledMetadataService(err) && !notAsked(err):
		return &Error{Code: codeFailed, Temporary: true, Message: a.profile() + " takes its credentials from EC2's metadata service, which gives none here; elsewhere than on EC2 name a profile with keys or SSO"}
	case calledMetadataService(err):
		message = a.profile() + " holds no credentials; add keys (aws configure" + a.profileFlag() +
			"), sso_session, role_arn or credential_process to it. EC2's own metadata service is not asked: it would be this daemon"
	case errors.As(err, &load):
		message = fmt.Sprintf("%s cannot be used: %s; mend it in %s", a.profile(), harmless(load.err), strings.Join(ProfileFiles(), " or "))
	default:
		return nil
	}
	return &Error{Code: codeProfile, Message: message}
}

// calledMetadataService says whether the SDK fell back on EC2's metadata service, at any depth of a chain of profiles.
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

// isLoop says whether the daemon has refused itself.
func isLoop(err error) bool {
	response, ok := errors.AsType[*smithyhttp.ResponseError](err)
	return ok && response.HTTPStatusCode() == http.StatusLoopDetected
}

// notAsked says whether the SDK was told not to ask the metadata service.
func notAsked(err error) bool { return strings.Contains(err.Error(), "access disabled to EC2 IMDS") }

// describeAPI explains a refusal by STS, or by the service that the profile gets its credentials from.
func (a *STS) describeAPI(err error, api smithy.APIError) error {
	e := &Error{Code: codeFailed}
	said := said(api)
	if passing(err, api) {
		e.Temporary = true
		e.Message = fmt.Sprintf("%s is failing (%s); trying again", a.endpoint(err), said)
		return e
	}
	fromSource := isSource(err)
	switch code := api.ErrorCode(); {
	case code == "AccessDenied":
		e.Code = codeUnauthorized
		if isIdentityCall(err) {
			e.Message = fmt.Sprintf("STS does not tell %s who it is (%s); no policy of IAM can forbid that, but the policy of a VPC endpoint can", a.profile(), said)
			break
		}
		if a.spec.RoleARN == "" && !fromSource {
			e.Message = fmt.Sprintf("%s may not get a session of its own (%s); set credentials.iam_role to a role that it may assume", a.profile(), said)
			break
		}
		if fromSource {
			e.Message = fmt.Sprintf("%s may not assume the role that it names itself (%s)", a.profile(), said)
			break
		}
		e.Message = fmt.Sprintf("%s may not assume %s (%s); the role must exist, its trust policy must name the caller, and the caller needs sts:AssumeRole on it",
			a.profile(), a.spec.RoleARN, said)
		if a.spec.MFASerial == "" {
			e.Message += "; if it asks for MFA, set credentials.mfa_serial"
		}
	case keysRefused(api), code == "UnauthorizedException":
		e.Code = codeProfile
		e.Message = fmt.Sprintf("the credentials of %s are wrong or expired (%s); renew them (aws configure%[3]s, or aws sso login%[3]s)",
			a.profile(), said, a.profileFlag())
	case code == "SignatureDoesNotMatch":
		e.Code = codeProfile
		e.Message = fmt.Sprintf("the secret key of %s is wrong (%s); put it right (aws configure%s)", a.profile(), said, a.profileFlag())
		if response, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
			e = a.describeClock(e, response, said)
		}
	case code == "RegionDisabledException":
		e.Message = fmt.Sprintf("STS is switched off in %s for this account (%s); activate it in IAM's account settings, or set another aws.region", a.spec.Region, said)
	default:
		e.Message = fmt.Sprintf("AssumeRole of %s with %s was refused (%s)", a.spec.RoleARN, a.profile(), said)
		if a.spec.RoleARN == "" {
			e.Message = fmt.Sprintf("GetSessionToken with %s was refused (%s)", a.profile(), said)
		}
		if isIdentityCall(err) {
			e.Message = fmt.Sprintf("GetCallerIdentity with %s was refused (%s); if AWS_ENDPOINT_URL_STS is set, check that it is an STS", a.profile(), said)
		}
		if code == "UnknownError" { // what the SDK makes of an answer that is not AWS's
			e.Message = "what answers is no STS; check AWS_ENDPOINT_URL_STS, and what is in between (a proxy, a login page)"
		}
		if fromSource {
			e.Message = fmt.Sprintf("%s cannot get its own credentials (%s); mend it in %s", a.profile(), said, strings.Join(ProfileFiles(), " or "))
		}
	}
	return e
}

// keysRefused says whether STS does not take the keys, or no longer.
func keysRefused(api smithy.APIError) bool {
	return slices.Contains([]string{"InvalidClientTokenId", "ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException"}, api.ErrorCode())
}

// describeClock blames this machine's clock instead, if it is more than the five minutes off that a signature allows.
func (a *STS) describeClock(e *Error, response *smithyhttp.ResponseError, said string) *Error {
	date, err := http.ParseTime(response.Response.Header.Get("Date"))
	if err != nil {
		return e
	}
	skew, direction := a.opt.Now().Sub(date), "ahead of"
	if skew < 0 {
		skew, direction = -skew, "behind"
	}
	if skew < 5*time.Minute {
		return e
	}
	return &Error{Code: codeFailed, Temporary: true, Message: fmt.Sprintf("this machine's clock is %v %s STS's; set it (%s)", skew.Round(time.Minute), direction, said)}
}

// unreadable says whether there was an answer that is not the service's: of something in between, or cut off.
func unreadable(err error) bool {
	_, half := errors.AsType[*smithy.DeserializationError](err)
	response, answered := errors.AsType[*smithyhttp.ResponseError](err)
	return (half || answered && response.HTTPStatusCode() != 0) && !errors.Is(err, context.DeadlineExceeded)
}

// unreachable gives the reason when an error is one of the network, without the request that failed.
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

// environmentSources are the variables that the SDK takes credentials by when no profile is named.
var environmentSources = []string{
	"AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI", "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
}

// endpoint names who was called.
func (a *STS) endpoint(err error) string {
	if isSource(err) {
		return "what " + a.profile() + " gets its credentials from"
	}
	return "STS"
}

// profile names who makes the call.
func (a *STS) profile() string {
	named, variable := namedByEnvironment()
	switch {
	case a.spec.Profile != "":
		return fmt.Sprintf("profile %q", a.spec.Profile)
	case named != "" && os.Getenv("AWS_ACCESS_KEY_ID") == "":
		return fmt.Sprintf("profile %q (%s)", named, variable)
	case !slices.ContainsFunc(environmentSources, func(variable string) bool { return os.Getenv(variable) != "" }):
		return `profile "default"`
	default:
		return "the environment"
	}
}

func (a *STS) profileFlag() string {
	if a.spec.Profile == "" {
		return ""
	}
	return " --profile " + a.spec.Profile
}
