package credentials

import "time"

// Observer is told what happens to the credentials of a keeper. Its methods may be called concurrently, and must not block.
type Observer interface {
	// Renewed is called when a call has ended, but for one that lacked an MFA code. Clients that wait for it have their answer later.
	Renewed(ok bool)
	// Waited is called when a client that had to wait has got credentials, or none. One that gets the error of an earlier call has not waited.
	Waited(took time.Duration, served bool)
}
