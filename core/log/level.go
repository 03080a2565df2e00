package log

import "log/slog"

// The levels between and beyond those of slog.
const (
	LevelDebug2   = slog.Level(-8)
	LevelDebug    = slog.LevelDebug
	LevelVerbose  = slog.Level(-2)
	LevelInfo     = slog.LevelInfo
	LevelNotice   = slog.Level(2)
	LevelWarning  = slog.LevelWarn
	LevelError    = slog.LevelError
	LevelCritical = slog.Level(12)
)

// Severities of syslog(3).
const (
	sevCrit    = 2
	sevErr     = 3
	sevWarning = 4
	sevNotice  = 5
	sevInfo    = 6
	sevDebug   = 7
)

// levelName is the word for a level in a line of text.
func levelName(l slog.Level) string {
	switch {
	case l >= LevelCritical:
		return "critical"
	case l >= LevelError:
		return "error"
	case l >= LevelWarning:
		return "warning"
	case l >= LevelNotice:
		return "notice"
	case l >= LevelInfo:
		return "info"
	case l >= LevelVerbose:
		return "verbose"
	case l >= LevelDebug:
		return "debug"
	}
	return "debug2"
}

// severity maps a level to syslog(3).
func severity(l slog.Level) int {
	switch {
	case l >= LevelCritical:
		return sevCrit
	case l >= LevelError:
		return sevErr
	case l >= LevelWarning:
		return sevWarning
	case l >= LevelNotice:
		return sevNotice
	case l >= LevelVerbose:
		return sevInfo
	}
	return sevDebug
}
