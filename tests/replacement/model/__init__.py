"""The problem: how many bicycles will be rented on a day?"""
