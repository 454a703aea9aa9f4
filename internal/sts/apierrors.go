package sts

import (
	"errors"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"mock-ec2-metadata/internal/credentials"
)

// describeAPI explains an error response of STS or of the credential source, and keeps its code.
func (p *Provider) describeAPI(err error, api smithy.APIError) *credentials.Error {
	e := p.explainAPI(err, api)
	e.AWSCode = api.ErrorCode()
	return e
}

func (p *Provider) explainAPI(err error, api smithy.APIError) *credentials.Error {
	said := apiText(api)
	switch code := api.ErrorCode(); {
	case isThrottled(err, api):
		e := temporary("%s throttles calls (%s); retrying", p.endpoint(err), said)
		e.Throttled = true
		return e
	case isTransient(err, api):
		return temporary("%s is failing (%s); retrying", p.endpoint(err), said)
	case isTarget(err) && code != "RegionDisabledException" && code != "UnknownError": // those say it all
		return p.describeTarget(err, api, said)
	case code == "AccessDenied":
		return p.describeDenied(err, api, said)
	case keysRefused(api), code == "UnauthorizedException":
		return badProfile("the credentials of %s are wrong or expired (%s); renew them (aws configure%[3]s, or aws sso login%[3]s)",
			p.profile(), said, p.profileFlag())
	case code == "SignatureDoesNotMatch":
		if e := p.describeClock(err, said); e != nil {
			return e
		}
		return badProfile("the secret key of %s is wrong (%s); fix it (aws configure%s)", p.profile(), said, p.profileFlag())
	case code == "RegionDisabledException":
		return failed("STS is switched off in %s for this account (%s); activate it in IAM's account settings, or set another aws.region", p.spec.Region, said)
	case isSource(err):
		return failed("%s cannot get its own credentials (%s); fix it in %s", p.profile(), said, strings.Join(ProfileFiles(), " or "))
	case code == "UnknownError": // the SDK's code for a response that is not AWS's
		return failed("the endpoint that answers is not STS; check AWS_ENDPOINT_URL_STS, and for a proxy or a login page in between")
	case isIdentityCall(err):
		return failed("GetCallerIdentity with %s was refused (%s); if AWS_ENDPOINT_URL_STS is set, check that it is an STS", p.profile(), said)
	case p.spec.RoleARN == "":
		return failed("GetSessionToken with %s was refused (%s)", p.profile(), said)
	default:
		return failed("AssumeRole of %s with %s was refused (%s)", p.spec.RoleARN, p.profile(), said)
	}
}

// describeDenied explains AccessDenied.
func (p *Provider) describeDenied(err error, api smithy.APIError, said string) *credentials.Error {
	switch {
	case isIdentityCall(err):
		return unauthorized("STS does not tell %s who it is (%s); no IAM policy can deny that, but a VPC endpoint policy can", p.profile(), said)
	case isSource(err):
		return unauthorized("%s may not assume the role that it names itself (%s)", p.profile(), said)
	case p.spec.RoleARN == "":
		return unauthorized("%s may not get a session of its own (%s); set %s to a role that it may assume", p.profile(), said, p.key("iam_role"))
	case deniedAction(api) != assumeAction:
		return unauthorized("%s may not assume %s (%s); the role's trust policy must allow %s to the caller, and the caller needs it on the role",
			p.profile(), p.spec.RoleARN, said, deniedAction(api))
	}
	e := unauthorized("%s may not assume %s (%s); the role must exist, its trust policy must name the caller, and the caller needs sts:AssumeRole on it",
		p.profile(), p.spec.RoleARN, said)
	if p.spec.MFASerial == "" {
		e.Message += "; if it asks for MFA, set " + p.key("mfa_serial")
	}
	return e
}

// describeClock explains a wrong signature by this machine's clock, if that differs by more than the five minutes that a
// signature allows; else it returns nil.
func (p *Provider) describeClock(err error, said string) *credentials.Error {
	var date time.Time
	if response, ok := errors.AsType[*smithyhttp.ResponseError](err); ok {
		date, _ = http.ParseTime(response.Response.Header.Get("Date"))
	}
	skew, direction := p.opt.Now().Sub(date), "ahead of"
	if skew < 0 {
		skew, direction = -skew, "behind"
	}
	if date.IsZero() || skew < 5*time.Minute {
		return nil
	}
	return temporary("this machine's clock is %v %s STS's; set it (%s)", skew.Round(time.Minute), direction, said)
}

// keysRefused reports whether STS rejects the keys as invalid or expired.
func keysRefused(api smithy.APIError) bool {
	return slices.Contains([]string{"InvalidClientTokenId", "ExpiredToken", "ExpiredTokenException", "UnrecognizedClientException"}, api.ErrorCode())
}

// isTransient reports whether a retry of the call may succeed.
func isTransient(err error, api smithy.APIError) bool {
	response, answered := errors.AsType[*smithyhttp.ResponseError](err)
	return answered && response.HTTPStatusCode() >= 500 || isThrottled(err, api) || api.ErrorCode() == "IDPCommunicationError"
}

// isThrottled reports whether the service limits the rate of calls. The codes are those that AWS SDKs take for that (AWS SDKs and
// Tools reference guide, "Retry behavior"), and SSO OIDC's.
func isThrottled(err error, api smithy.APIError) bool {
	response, answered := errors.AsType[*smithyhttp.ResponseError](err)
	return answered && response.HTTPStatusCode() == http.StatusTooManyRequests ||
		strings.HasPrefix(api.ErrorCode(), "Throttl") ||
		slices.Contains([]string{
			"RequestThrottled", "RequestThrottledException", "TooManyRequestsException", "RequestLimitExceeded", "BandwidthLimitExceeded",
			"SlowDown", "SlowDownException",
		}, api.ErrorCode())
}

// isIdentityCall reports whether GetCallerIdentity failed.
func isIdentityCall(err error) bool {
	called := innermost(err)
	return called != nil && called.OperationName == "GetCallerIdentity"
}

// innermost returns the failed call: in a chain of profiles, errors of outer calls wrap it. nil if no call was made.
func innermost(err error) *smithy.OperationError {
	var last, op *smithy.OperationError
	for errors.As(err, &op) {
		last, err = op, op.Err
	}
	return last
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
