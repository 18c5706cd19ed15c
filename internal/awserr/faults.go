package awserr

// Faults are all that is wrong with a request, in the order of its parts: each is an error with its own
// code. Who sends a wrong request learns of everything at once.
type Faults []error

// Add notes errors; nil is none.
func (f *Faults) Add(errs ...error) {
	for _, err := range errs {
		if err != nil {
			*f = append(*f, err)
		}
	}
}

// First is the fault that a handler fails with; nil when there is none.
func (f Faults) First() error {
	if len(f) == 0 {
		return nil
	}
	return f[0]
}
