// Package program writes the small programs that engines put into containers, byte by
// byte: they need no compiler, no library of the image's, and next to no memory.
package program

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// The pause program: it ignores SIGCHLD so that orphans are reaped, ends at
// SIGTERM and SIGINT, and otherwise sleeps for ever. Handlers are needed since
// the kernel drops signals with a default action to the first process of a
// namespace.

// Pause returns the pause program as a static ELF executable.
func Pause(goarch string) ([]byte, error) {
	switch goarch {
	case "amd64":
		return elf(62, pauseAMD64()), nil
	case "arm64":
		return elf(183, pauseARM64()), nil
	default:
		return nil, fmt.Errorf("no pause program for architecture %q", goarch)
	}
}

const (
	elfBase   = 0x400000
	elfHeader = 64 + 56 // file header, one program header
	codeBase  = elfBase + elfHeader
	codeSize  = 128 // code, padded; the two sigactions follow
	ignoreAt  = codeBase + codeSize
	endAt     = ignoreAt + 32
)

// elf wraps code and data in one segment that is read and executed.
func elf(machine uint16, body []byte) []byte {
	var b bytes.Buffer
	put := func(values ...any) {
		for _, v := range values {
			_ = binary.Write(&b, binary.LittleEndian, v) // a bytes.Buffer takes all
		}
	}
	b.Write([]byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0})
	put(uint16(2), machine, uint32(1), uint64(codeBase), uint64(64), uint64(0), uint32(0))
	put(uint16(64), uint16(56), uint16(1), uint16(0), uint16(0), uint16(0))
	size := uint64(elfHeader + len(body))
	put(uint32(1), uint32(5), uint64(0), uint64(elfBase), uint64(elfBase), size, size, uint64(0x10000))
	b.Write(body)
	return b.Bytes()
}

// sigactions returns the kernel's struct sigaction for "ignore" and for
// "call handler", one after the other.
func sigactions(handler uint64) []byte {
	const sigIgnore, restorerFlag = 1, 0x04000000
	var b []byte
	for _, v := range []uint64{sigIgnore, 0, 0, 0, handler, restorerFlag, handler, 0} {
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

// withData pads code and puts the sigactions behind it.
func withData(code []byte, handler int) []byte {
	body := make([]byte, codeSize, codeSize+64)
	copy(body, code)
	return append(body, sigactions(uint64(codeBase+handler))...)
}

func pauseAMD64() []byte {
	var c []byte
	op := func(b ...byte) { c = append(c, b...) }
	imm := func(opcode byte, v uint32) { c = binary.LittleEndian.AppendUint32(append(c, opcode), v) }
	const movEAX, movESI, movEDI = 0xb8, 0xbe, 0xbf
	syscall := func(n uint32) { imm(movEAX, n); op(0x0f, 0x05) }
	sigaction := func(sig, action uint32) { imm(movEDI, sig); imm(movESI, action); syscall(13) }

	op(0x31, 0xd2)                // xor edx, edx: no old action
	op(0x41, 0xba, 8, 0, 0, 0)    // mov r10d, 8: size of a mask
	sigaction(17, ignoreAt)       // SIGCHLD
	sigaction(15, endAt)          // SIGTERM
	sigaction(2, endAt)           // SIGINT
	loop := len(c)                //
	syscall(34)                   // pause
	op(0xeb, byte(loop-len(c)-2)) // jmp loop
	handler := len(c)             //
	op(0x31, 0xff)                // xor edi, edi
	syscall(231)                  // exit_group
	return withData(c, handler)
}

func pauseARM64() []byte {
	var c []byte
	op := func(v uint32) { c = binary.LittleEndian.AppendUint32(c, v) }
	mov := func(reg, v uint32) {
		op(0xd2800000 | (v&0xffff)<<5 | reg)
		if high := v >> 16; high != 0 {
			op(0xf2a00000 | high<<5 | reg)
		}
	}
	syscall := func(n uint32) { mov(8, n); op(0xd4000001) }
	sigaction := func(sig, action uint32) {
		mov(0, sig)
		mov(1, action)
		mov(2, 0)
		mov(3, 8)
		syscall(134)
	}
	sigaction(17, ignoreAt)
	sigaction(15, endAt)
	sigaction(2, endAt)
	loop := len(c)
	for reg := range uint32(5) {
		mov(reg, 0) // the kernel's answer is in x0
	}
	syscall(73) // ppoll for ever: arm64 has no pause
	op(0x14000000 | uint32((loop-len(c))/4)&0x03ffffff)
	handler := len(c)
	mov(0, 0)
	syscall(94) // exit_group
	return withData(c, handler)
}
