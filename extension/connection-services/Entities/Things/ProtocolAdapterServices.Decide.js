me.EvaluateAvailability();
