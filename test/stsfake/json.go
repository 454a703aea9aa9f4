package stsfake

import (
	"encoding/json"
	"net/http"
	"strconv"
)

type roleCredentialsResult struct {
	RoleCredentials roleCredentials `json:"roleCredentials"`
}

type roleCredentials struct {
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
	SessionToken    string `json:"sessionToken"`
	Expiration      int64  `json:"expiration"` // in milliseconds
}

type createTokenResult struct {
	AccessToken  string `json:"accessToken"`
	TokenType    string `json:"tokenType"`
	ExpiresIn    int    `json:"expiresIn"` // in seconds
	RefreshToken string `json:"refreshToken"`
}

// oauthCodes are the OAuth codes of the OIDC service's faults.
var oauthCodes = map[string]string{
	"AccessDeniedException":         "access_denied",
	"ExpiredTokenException":         "expired_token",
	"InvalidClientException":        "invalid_client",
	"InvalidGrantException":         "invalid_grant",
	"InvalidRequestException":       "invalid_request",
	"SlowDownException":             "slow_down",
	"UnauthorizedClientException":   "unauthorized_client",
	"UnsupportedGrantTypeException": "unsupported_grant_type",
}

func writeResult(w http.ResponseWriter, _ string, result any, _ string) {
	writeJSON(w, http.StatusOK, result)
}

// failPortal writes f in the format of the SSO portal.
func failPortal(w http.ResponseWriter, f Fault, _ string) {
	w.Header().Set("X-Amzn-Errortype", f.Code)
	writeJSON(w, f.Status, map[string]string{
		"message": f.Message, "__type": "com.amazonaws.switchboard.portal#" + f.Code,
	})
}

// failOIDC writes f in the format of the OIDC service: AWS's code is only in a header, and the SDKs do not read the text in
// error_description.
func failOIDC(w http.ResponseWriter, f Fault, _ string) {
	w.Header().Set("X-Amzn-Errortype", f.Code+":http://internal.amazon.com/coral/com.amazonaws.sso.oidc/")
	code, ok := oauthCodes[f.Code]
	if !ok {
		code = "server_error"
	}
	writeJSON(w, f.Status, map[string]string{"error": code, "error_description": f.Message})
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(status)
	_, _ = w.Write(body) // an error means that the client has left
}
