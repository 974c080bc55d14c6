package amqp

import (
	"errors"

	"azx/internal/amqp10"
	"azx/internal/local/iothub"
)

// Conditions of IoT Hub (read: the SDKs translate them into their errors).
const (
	condQuota        amqp10.Symbol = "com.microsoft:quota-exceeded"
	condThrottled    amqp10.Symbol = "com.microsoft:device-container-throttled"
	condPrecondition amqp10.Symbol = "com.microsoft:precondition-failed"
	condLockLost     amqp10.Symbol = "com.microsoft:message-lock-lost"
	condExists       amqp10.Symbol = "com.microsoft:device-already-exists"
	condTimeout      amqp10.Symbol = "com.microsoft:timeout"
)

// refusal says an error of the hub's core in AMQP: the condition, and Azure's code with the reason in the description. An
// AMQP error stays what it is.
func refusal(hub *iothub.Hub, err error) *amqp10.Error {
	var e *amqp10.Error
	if errors.As(err, &e) {
		return e
	}
	return &amqp10.Error{Condition: conditionOf(iothub.AsError(err).Code), Description: string(hub.ErrorDocument(err))}
}

// conditionOf is the condition of a code. That of NotInThisTier is a guess.
func conditionOf(code iothub.Code) amqp10.Symbol {
	switch code {
	case iothub.ArgumentInvalid:
		return condArgument
	case iothub.InvalidOperation, iothub.NotInThisTier:
		return amqp10.CondNotAllowed
	case iothub.ConnectionReplaced, iothub.LinkConflict:
		return amqp10.CondLinkStolen
	case iothub.UnauthorizedAccess, iothub.Unauthorized:
		return amqp10.CondUnauthorized
	case iothub.QuotaExceeded:
		return condQuota
	case iothub.QueueDepthExceeded, iothub.TooManyUploads, iothub.TooManyModules:
		return amqp10.CondResourceLimitExceeded
	case iothub.DeviceNotFound, iothub.ModuleNotFound, iothub.DeviceNotOnline, iothub.DeviceClosed:
		return amqp10.CondNotFound
	case iothub.DeviceExists, iothub.ModuleExists:
		return condExists
	case iothub.PreconditionFailed:
		return condPrecondition
	case iothub.MessageLockLost:
		return condLockLost
	case iothub.MessageTooLarge:
		return amqp10.CondMessageSize
	case iothub.Throttled:
		return condThrottled
	case iothub.ServiceUnavailable, iothub.GatewayTimeout:
		return condTimeout
	}
	return amqp10.CondInternalError
}
