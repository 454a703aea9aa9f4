package sts

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

	"mock-ec2-metadata/internal/credentials"
)

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

// describe turns an error of the SDK into an *credentials.Error that names the problem and the fix.
func (a *Provider) describe(ctx context.Context, err error) error {
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	if e, ok := errors.AsType[*credentials.Error](err); ok {
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
		return &credentials.Error{Code: credentials.CodeFailed, Temporary: true, Message: fmt.Sprintf("%s did not answer in time; if it is a credential_process, run its command by hand to see why, else check the network",
			a.endpoint(err))}
	}
	if unreadable(err) {
		// The error is not quoted: it may contain the answer.
		check := "check for a proxy or a login page in between"
		if !isSource(err) {
			check = "check AWS_ENDPOINT_URL_STS, and for a proxy or a login page in between"
		}
		return &credentials.Error{Code: credentials.CodeFailed, Temporary: true, Message: a.endpoint(err) + " sent an unreadable or truncated answer; " + check}
	}
	if reason, ok := unreachable(err); ok && isSource(err) {
		return &credentials.Error{Code: credentials.CodeFailed, Temporary: true, Message: fmt.Sprintf("%s cannot be reached: %s; check the network", a.endpoint(err), reason)}
	} else if ok {
		return &credentials.Error{Code: credentials.CodeFailed, Temporary: true, Message: fmt.Sprintf("%s cannot be reached: %s; check the network, aws.region (%s) and AWS_ENDPOINT_URL_STS",
			a.endpoint(err), reason, a.spec.Region)}
	}
	return &credentials.Error{Code: credentials.CodeFailed, Message: fmt.Sprintf("%s cannot make the call: %s", a.profile(), redactedText(err))}
}

// describeProfile explains a problem of the profile itself; nil if err has another cause.
func (a *Provider) describeProfile(err error) error {
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
		message = fmt.Sprintf("%s assumes a role with source_profile %q, which is missing, has no credential source, or refers back to itself; fix source_profile", a.profile(), assume.Profile)
	case errors.As(err, &process):
		// The error is not quoted: it may contain the process's output, which is credentials.
		message = a.profile() + ": its credential_process failed or printed something other than credentials; run the command by hand to see why"
	case calledMetadataService(err) && isLoop(err):
		message = a.profile() + " takes its credentials from EC2's metadata service, which here is this daemon itself; set AWS_EC2_METADATA_SERVICE_ENDPOINT to the real one, or name a profile with keys or SSO"
	case calledMetadataService(err) && !metadataServiceDisabled(err):
		return &credentials.Error{Code: credentials.CodeFailed, Temporary: true, Message: a.profile() + " takes its credentials from EC2's metadata service, which has none here; outside EC2, name a profile with keys or SSO"}
	case calledMetadataService(err):
		message = a.profile() + " holds no credentials; add keys (aws configure" + a.profileFlag() +
			"), sso_session, role_arn or credential_process to it. EC2's own metadata service is not asked: it would be this daemon"
	case errors.As(err, &load):
		message = fmt.Sprintf("%s cannot be used: %s; fix it in %s", a.profile(), redactedText(load.err), strings.Join(ProfileFiles(), " or "))
	default:
		return nil
	}
	return &credentials.Error{Code: credentials.CodeProfile, Message: message}
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

// metadataServiceDisabled reports whether the SDK was configured not to call the metadata service.
func metadataServiceDisabled(err error) bool {
	return strings.Contains(err.Error(), "access disabled to EC2 IMDS")
}

// describeAPI explains an error response of STS or of the credential source.
func (a *Provider) describeAPI(err error, api smithy.APIError) error {
	e := &credentials.Error{Code: credentials.CodeFailed}
	said := apiText(api)
	if isTransient(err, api) {
		e.Temporary = true
		e.Message = fmt.Sprintf("%s is failing (%s); retrying", a.endpoint(err), said)
		return e
	}
	fromSource := isSource(err)
	switch code := api.ErrorCode(); {
	case code == "AccessDenied":
		e.Code = credentials.CodeUnauthorized
		if isIdentityCall(err) {
			e.Message = fmt.Sprintf("STS does not tell %s who it is (%s); no IAM policy can deny that, but a VPC endpoint policy can", a.profile(), said)
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
		e.Code = credentials.CodeProfile
		e.Message = fmt.Sprintf("the credentials of %s are wrong or expired (%s); renew them (aws configure%[3]s, or aws sso login%[3]s)",
			a.profile(), said, a.profileFlag())
	case code == "SignatureDoesNotMatch":
		e.Code = credentials.CodeProfile
		e.Message = fmt.Sprintf("the secret key of %s is wrong (%s); fix it (aws configure%s)", a.profile(), said, a.profileFlag())
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
		if code == "UnknownError" { // the SDK's code for a response that is not AWS's
			e.Message = "the endpoint that answers is not STS; check AWS_ENDPOINT_URL_STS, and for a proxy or a login page in between"
		}
		if fromSource {
			e.Message = fmt.Sprintf("%s cannot get its own credentials (%s); fix it in %s", a.profile(), said, strings.Join(ProfileFiles(), " or "))
		}
	}
	return e
}

// keysRefused reports whether STS rejects the keys as invalid or expired.
func keysRefused(api smithy.APIError) bool {
	return slices.Contains([]string{"InvalidClientTokenId", "ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException"}, api.ErrorCode())
}

// describeClock replaces e if this machine's clock differs by more than the five minutes that a signature allows.
func (a *Provider) describeClock(e *credentials.Error, response *smithyhttp.ResponseError, said string) *credentials.Error {
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
	return &credentials.Error{Code: credentials.CodeFailed, Temporary: true, Message: fmt.Sprintf("this machine's clock is %v %s STS's; set it (%s)", skew.Round(time.Minute), direction, said)}
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
func (a *Provider) endpoint(err error) string {
	if isSource(err) {
		return "the credential source of " + a.profile()
	}
	return "STS"
}

// profile names the profile that makes the call.
func (a *Provider) profile() string {
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

func (a *Provider) profileFlag() string {
	if a.spec.Profile == "" {
		return ""
	}
	return " --profile " + a.spec.Profile
}
