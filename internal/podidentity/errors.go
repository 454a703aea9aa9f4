package podidentity

import (
	"fmt"
	"net/http"
	"strings"

	"mock-ec2-metadata/internal/web"
)

// Header values are created once. Responses share them: they must not be changed.
var (
	applicationJSON = []string{"application/json"}
	textPlain       = []string{"text/plain; charset=utf-8"}
	noSniff         = []string{"nosniff"}
	retryAfter      = []string{"1"} // second
)

// serviceError is an answer in the form that the agent gives to errors of the EKS Auth API (container-credentials-reference
// section 5.4), without a request id.
type serviceError struct {
	status        int
	code, message string
}

func invalidToken(r *Refusal) serviceError {
	return serviceError{http.StatusBadRequest, "InvalidTokenException", r.Message}
}

func notAssociated(cluster string, pod *Claims) serviceError {
	return serviceError{http.StatusNotFound, "ResourceNotFoundException", fmt.Sprintf(
		"no association in cluster %s for namespace %s and service account %s; add it to pod_identity.associations",
		cluster, pod.Namespace, pod.ServiceAccount)}
}

// deniedBySTS is the answer when STS or the profile refuses. Codes about the daemon's own credentials become AccessDeniedException
// too: ExpiredTokenException would blame the pod's token.
func deniedBySTS(e *CredentialError) serviceError {
	switch e.Code {
	case "AccessDenied", "AccessDeniedException":
		return serviceError{http.StatusBadRequest, "AccessDeniedException", e.Message}
	case "ValidationError", "MalformedPolicyDocument", "PackedPolicyTooLarge", "InvalidParameterValue":
		return serviceError{http.StatusBadRequest, "InvalidParameterException", e.Error()}
	default:
		return serviceError{http.StatusBadRequest, "AccessDeniedException", e.Error()}
	}
}

func unavailableFor(message string) serviceError {
	return serviceError{http.StatusServiceUnavailable, "ServiceUnavailableException", message}
}

func (e serviceError) write(w http.ResponseWriter) {
	fault := "client"
	if e.status >= http.StatusInternalServerError {
		fault = "server"
	}
	if e.status == http.StatusServiceUnavailable {
		w.Header()["Retry-After"] = retryAfter
	}
	line := strings.NewReplacer("\r", " ", "\n", " ").Replace(e.message)
	writeText(w, e.status, "("+e.code+"): "+line+", fault: "+fault)
}

// render writes an error that has no text of its own.
func render(w http.ResponseWriter, _ *http.Request, e *web.Error) {
	switch e.Status {
	case http.StatusNotFound:
		writeText(w, e.Status, "404 page not found")
	case http.StatusInternalServerError:
		serviceError{e.Status, "InternalServerException", "internal server error"}.write(w)
	case http.StatusServiceUnavailable:
		unavailableFor("the credentials are not available yet; try again").write(w)
	default:
		if e.Allow != "" {
			w.Header().Set("Allow", e.Allow)
		}
		writeText(w, e.Status, http.StatusText(e.Status))
	}
}

// writeText writes a line of text as http.Error does, which the agent uses.
func writeText(w http.ResponseWriter, status int, line string) {
	body := []byte(line + "\n")
	w.Header()["X-Content-Type-Options"] = noSniff
	web.WriteMade(w, status, textPlain, web.Length(body), body)
}
