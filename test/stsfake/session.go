package stsfake

import "time"

// getSessionToken issues temporary credentials of the user.
func (s *Server) getSessionToken(c call) (any, error) {
	if c.caller.isSession() {
		return nil, forbidden("AccessDenied", "Cannot call GetSessionToken with session credentials")
	}
	check := checks{form: c.form}
	check.text(serialRule, "serialNumber")
	check.text(codeRule, "tokenCode")
	seconds := check.seconds(43200, 900, 129600)
	if err := check.err(); err != nil {
		return nil, err
	}
	mfa, err := s.checkMFA(c)
	if err != nil {
		return nil, err
	}
	mine := *c.caller
	mine.mfa = mfa
	got := s.issue(&mine, c.now, time.Duration(seconds)*time.Second)
	return sessionTokenResult{Credentials: newCredentialsXML(got), tokenSize: newTokenSize(got)}, nil
}

// getCallerIdentity returns the identity of the caller. It needs no permission.
func (s *Server) getCallerIdentity(c call) (any, error) {
	return callerIdentityResult{ARN: c.caller.arn, UserID: c.caller.userID, Account: c.caller.account}, nil
}

// checkMFA reports whether the caller is authenticated by MFA: in this request, or when its session was opened.
func (s *Server) checkMFA(c call) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	serial, code := c.form.Get("SerialNumber"), c.form.Get("TokenCode")
	switch {
	case serial == "" && code == "":
		return c.caller.mfa, nil
	case serial == "" || code == "":
		return false, forbidden("AccessDenied",
			"MultiFactorAuthentication failed, must provide both MFA serial number and one time pass code. ")
	case c.caller.user == nil || c.caller.user.mfaSerial != serial:
		return false, forbidden("AccessDenied", "MultiFactorAuthentication failed, unable to validate MFA code.  "+
			"Please verify your MFA serial number is valid and associated with this user. ")
	case c.caller.user.mfaOTP != code:
		return false, forbidden("AccessDenied",
			"MultiFactorAuthentication failed with invalid MFA one time pass code. ")
	}
	return true, nil
}
