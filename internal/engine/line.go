package engine

import (
	"fmt"
	"unicode/utf8"
)

// MaxLine is where a line without end is cut, in bytes: where Fargate's awslogs
// logger cuts it, which reads 256 KiB less the 26 bytes that CloudWatch counts for
// each event (maximumBytesPerEvent in aws/shim-loggers-for-containerd and in Docker's
// awslogs driver). So nobody who keeps it cuts it a second time. CloudWatch takes
// events of 1 MiB since April 2025; the logger does not write them.
const MaxLine = 256<<10 - 26

// Dropped is the line that stands where lines were dropped.
func Dropped(lines int64) string {
	return fmt.Sprintf("[%d lines were dropped here: the buffer of max-buffer-size was full]", lines)
}

// CutAt is where a text longer than MaxLine is cut: not within a character.
func CutAt(text []byte) int {
	for n := MaxLine; n > MaxLine-utf8.UTFMax; n-- {
		if utf8.RuneStart(text[n]) {
			return n
		}
	}
	return MaxLine
}
