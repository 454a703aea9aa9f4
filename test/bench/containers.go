package bench

import (
	"fmt"
	"net/http"
)

// What containers and pods have: a name of roles, and the service account that is associated with it.
const (
	ContainerRole  = "web"
	Namespace      = "shop"
	ServiceAccount = "web"
)

// ContainerConfig returns a configuration with one role for containers and pods. base holds the keys of credentials, which that role
// and the file's own share. Pods ask at podListener; tokens are signed by a key in stateDir.
func ContainerConfig(base, stateDir, podListener string) string {
	return fmt.Sprintf(`credentials: {%s, iam_role: %q}
roles:
  %s: {iam_role: %q}
identity: {state_dir: %q}
pod_identity:
  enabled: true
  verify: jwks
  listen: [%q]
  associations: [{namespace: %s, service_account: %s, role: %s}]
log: {access: true}
`, base, RoleARN(Role), ContainerRole, RoleARN(ContainerRole), stateDir, podListener, Namespace, ServiceAccount, ContainerRole)
}

// ContainerCases returns the requests of a container, which has an id, and of a pod, which has a token.
func ContainerCases(id, token string) (container, pod Case) {
	container = Case{Name: "ecs", What: "`GET /v2/credentials/<id>`", Method: http.MethodGet, Path: "/v2/credentials/" + id}
	pod = Case{
		Name: "pods", What: "`GET /v1/credentials` of a pod", Method: http.MethodGet, Path: "/v1/credentials", Authorization: token,
	}
	return container, pod
}
