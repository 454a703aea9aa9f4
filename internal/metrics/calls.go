package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"mock-ec2-metadata/internal/sts"
)

// operations are the calls that are told apart.
var operations = []string{"AssumeRole", "AssumeRoleWithWebIdentity", "GetSessionToken", "GetRoleCredentials", "GetCallerIdentity"}

// awsCodes are the error codes that are told apart.
var awsCodes = []string{
	"AccessDenied", "ExpiredToken", "ExpiredTokenException", "ForbiddenException", "IDPCommunicationError", "IDPRejectedClaim", "InternalFailure", "InvalidClientTokenId",
	"InvalidIdentityToken", "MalformedPolicyDocument", "PackedPolicyTooLarge", "RegionDisabledException", "RequestExpired", "ServiceUnavailable",
	"SignatureDoesNotMatch", "Throttling", "ThrottlingException", "TooManyRequestsException", "UnauthorizedException", "ValidationError",
}

const (
	other = "other"
	none  = "none"
)

// calls counts calls of AWS. They are rare, and a series of requests exists once it has been counted: there are 792 that could be.
type calls struct {
	requests *prometheus.CounterVec
	took     map[string]prometheus.Observer // by operation
}

func newCalls(to prometheus.Registerer) *calls {
	c := &calls{
		requests: counter("sts_requests_total", "Calls of STS, SSO and logins, by how they ended.", "operation", "outcome", "code"),
		took:     map[string]prometheus.Observer{},
	}
	took := histogram("sts_request_duration_seconds", "How long calls of STS, SSO and logins took.",
		[]float64{0.05, 0.1, 0.25, 0.5, 0.9, 1, 2.5, 5, 10, 30, 60}, "operation")
	to.MustRegister(c.requests, took)
	for _, operation := range append(slices.Clone(operations), other) {
		c.took[operation] = took.WithLabelValues(operation)
	}
	return c
}

func (c *calls) count(call sts.Call) {
	operation, code := call.Operation, call.Code
	if !slices.Contains(operations, operation) {
		operation = other
	}
	switch {
	case code == "":
		code = none
	case !slices.Contains(awsCodes, code):
		code = other
	}
	c.requests.WithLabelValues(operation, call.Outcome.String(), code).Inc()
	c.took[operation].Observe(call.Took.Seconds())
}
