"""What was started from here, quoted here and added from here: the intent before a request, its outcome after."""
