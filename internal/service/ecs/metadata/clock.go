package metadata

import "golang.org/x/sys/unix"

// clock asks the kernel how far its clock may be off; nil when it doesn't say.
func clock() *ClockDrift {
	const unsynchronized, microsPerMilli = 0x40, 1000 // STA_UNSYNC
	var t unix.Timex
	if _, err := unix.Adjtimex(&t); err != nil {
		return nil
	}
	d := &ClockDrift{ClockErrorBound: float64(t.Maxerror) / microsPerMilli, ClockSynchronizationStatus: "SYNCHRONIZED"}
	if t.Status&unsynchronized != 0 {
		d.ClockSynchronizationStatus = "NOT_SYNCHRONIZED"
	}
	return d
}
