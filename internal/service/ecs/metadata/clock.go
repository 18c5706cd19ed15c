package metadata

import "golang.org/x/sys/unix"

// clock asks the kernel how far its clock may be off; nil when it doesn't say.
func clock() *ClockDrift {
	const microsPerMilli = 1000
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		return nil
	}
	d := &ClockDrift{ClockErrorBound: float64(t.Maxerror) / microsPerMilli, ClockSynchronizationStatus: "SYNCHRONIZED"}
	if t.Status&unix.STA_UNSYNC != 0 {
		d.ClockSynchronizationStatus = "NOT_SYNCHRONIZED"
	}
	return d
}
