package api

// MFACode is the body of POST /v1/mfa.
type MFACode struct {
	Code string `json:"code"`
	// Role names the credentials that the code is for; "" is the first that wait for one.
	Role string `json:"role,omitempty"`
}

// MFAResult is its answer: whose credentials the code gave, in words.
type MFAResult struct {
	Result string `json:"result"`
}

// Error is the body of every refusal of the control socket.
type Error struct {
	Error string `json:"error"`
}
