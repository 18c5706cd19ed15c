package etcdstore

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// quiet returns a logger for etcd that keeps what it says for whoever looks
// closely, save for errors. Where etcd would end the process, fail is called
// and the goroutine ends, when there is a fail.
func quiet(log *slog.Logger, fail func(error)) *zap.Logger {
	var opts []zap.Option
	if fail != nil {
		opts = append(opts, zap.WithFatalHook(fatal{fail}), zap.WithPanicHook(fatal{fail}))
	}
	return zap.New(&core{log: log}, opts...)
}

type fatal struct{ fail func(error) }

func (h fatal) OnWrite(e *zapcore.CheckedEntry, fields []zapcore.Field) {
	h.fail(fmt.Errorf("%s: %v", e.Message, zapFields(fields)["error"]))
	runtime.Goexit()
}

// firstStart is what etcd calls an error at every first start: it looks for the
// version of its storage before the first leader's term has begun.
const firstStart = "failed to update storage version"

// core writes to slog what zap is given.
type core struct {
	log  *slog.Logger
	with []zapcore.Field
}

func (c *core) Enabled(l zapcore.Level) bool {
	return c.log.Enabled(context.Background(), level(l))
}

func (c *core) With(fields []zapcore.Field) zapcore.Core {
	return &core{log: c.log, with: append(slices.Clip(c.with), fields...)}
}

func (c *core) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

func (c *core) Write(e zapcore.Entry, fields []zapcore.Field) error {
	attrs := []slog.Attr{slog.String("says", e.Message)}
	for k, v := range zapFields(append(slices.Clip(c.with), fields...)) {
		attrs = append(attrs, slog.Any(k, v))
	}
	l := level(e.Level)
	if e.Message == firstStart {
		l = slog.LevelDebug
	}
	c.log.LogAttrs(context.Background(), l, "etcd", attrs...)
	return nil
}

func (c *core) Sync() error { return nil }

func zapFields(fields []zapcore.Field) map[string]any {
	enc := zapcore.NewMapObjectEncoder()
	for _, f := range fields {
		f.AddTo(enc)
	}
	return enc.Fields
}

// level: what etcd informs and warns of (slow disks, mostly) is detail here.
func level(l zapcore.Level) slog.Level {
	switch {
	case l >= zapcore.ErrorLevel:
		return slog.LevelError
	case l >= zapcore.InfoLevel:
		return slog.LevelDebug
	default:
		return slog.LevelDebug - 4
	}
}
